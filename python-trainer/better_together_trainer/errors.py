"""The errors a parent can act on. Each has a code, a message (thing and fact) and a hint (remedy)."""


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
    """Not even one row at a time fits."""

    exit_code = 4


# sysexits.h EX_TEMPFAIL: saved, and the same command goes on from there.
EXIT_STOPPED = 75


def bad_input_list(code: str, what: str, mistakes: list[str], hint: str, *, shown: int = 20) -> BadInput:
    """One error for all mistakes, so that nobody has to fix a file one message at a time."""
    lines = [f"- {mistake}" for mistake in mistakes[:shown]]
    if len(mistakes) > shown:
        lines.append(f"- and {len(mistakes) - shown} more")
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return BadInput(code, "\n".join([f"{what} has {count}:", *lines]), hint)
