"""The errors a parent can act on. Each has a code, a message (thing and fact) and a hint (remedy)."""

import errno
import os


class TrainerError(Exception):
    """Ends the process with `exit_code` and an `error` event."""

    exit_code = 1

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class BadInput(TrainerError):
    """The job, or a file that it names, cannot be used."""

    exit_code = 2


class CheckFailed(TrainerError):
    """Everything could be read, and a check on it said no. The same job would fail again."""

    exit_code = 3


class OutOfMemory(TrainerError):
    """The model or not even one row at a time fits."""

    exit_code = 4


class DiskFull(TrainerError):
    """There is no room for what would be written. The same job can go on once there is."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the system had no memory left; only CUDA has a class of its own for it."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    # CUDA and MPS; torch's allocator on a CPU; torch and safetensors where they map a file.
    signs = ("out of memory", "DefaultCPUAllocator", os.strerror(errno.ENOMEM))
    return isinstance(error, RuntimeError | OSError) and any(sign in str(error) for sign in signs)


# sysexits.h EX_TEMPFAIL: saved, and the same command goes on from there.
EXIT_STOPPED = 75


def bad_input_list(code: str, what: str, mistakes: list[str], hint: str, *, shown: int = 20) -> BadInput:
    """One error for all mistakes, so that nobody has to fix a file one message at a time."""
    lines = [f"- {mistake}" for mistake in mistakes[:shown]]
    if len(mistakes) > shown:
        lines.append(f"- and {len(mistakes) - shown} more")
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return BadInput(code, "\n".join([f"{what} has {count}:", *lines]), hint)
