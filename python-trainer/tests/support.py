"""Jobs, rows, and trainer processes for the tests."""

import contextlib
import ctypes
import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

from better_together_trainer.__main__ import main
from better_together_trainer.events import FILE_VARIABLE

END_OF_TURN = 2  # of the tiny model
VOCABULARY = 480
MEBIBYTE = 2**20

# Importing torch and TRL costs ten seconds a process. The fork server imports once and forks a fresh process
# for each job; everything else about that process (signals, standard input, exit code) is as on the command
# line, which test_command_line.py covers.
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["better_together_trainer.sft", "better_together_trainer.import_gguf"])


@dataclass
class TrainerProcess:
    """A running job: its process, its standard input, its events."""

    process: multiprocessing.Process
    stdin: Connection
    events_path: Path

    def events(self, type: str | None = None) -> list[dict[str, Any]]:  # noqa: A002 (the protocol's word)
        if not self.events_path.exists():
            return []
        lines = self.events_path.read_text().splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in found if type in (None, event["type"])]

    def wait_for_step(self, step: int) -> None:
        deadline = time.monotonic() + 60
        while not any(event["step"] >= step for event in self.events("progress")):
            assert self.process.is_alive(), f"ended before step {step}: {self.events()[-1:]}"
            assert time.monotonic() < deadline, f"no step {step} within a minute"
            time.sleep(0.005)

    def kill(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.kill(self.process.pid, number)

    def wait(self) -> int:
        self.process.join(timeout=600)
        assert self.process.exitcode is not None, "still running after ten minutes"
        self.stdin.close()
        return self.process.exitcode


def start(job: Path, *, spare_memory_bytes: int | None = None) -> TrainerProcess:
    """Starts `run JOB`; with `spare_memory_bytes` the process may allocate no more than that."""
    events_path = job.with_suffix(f".{time.monotonic_ns()}.events.jsonl")
    reader, writer = forks.Pipe(duplex=False)
    process = forks.Process(target=run_in_child, args=(job, events_path, reader, spare_memory_bytes))
    process.start()
    reader.close()
    return TrainerProcess(process, writer, events_path)


def run_in_child(job: Path, events_path: Path, stdin: Connection, spare_memory_bytes: int | None) -> None:
    os.dup2(stdin.fileno(), 0)
    stdin.close()
    os.environ[FILE_VARIABLE] = str(events_path)
    if spare_memory_bytes is not None:
        limit_memory(spare_memory_bytes)
    sys.exit(main(["run", str(job)]))


def limit_memory(spare_bytes: int) -> None:
    """Lets this process allocate so much more and then no more; Linux only."""
    m_arena_max, m_mmap_threshold = -8, -3
    libc = ctypes.CDLL(None)
    libc.mallopt(m_arena_max, 1)  # else each thread reserves 128 MiB of addresses for itself
    libc.mallopt(
        m_mmap_threshold, MEBIBYTE
    )  # else what is freed stays in the heap, some runs more than others
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + spare_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def finish(job: Path) -> dict[str, Any]:
    """Runs a job to its end and returns its result."""
    trainer = start(job)
    code = trainer.wait()
    assert code == 0, trainer.events("error")
    return trainer.events("result")[0]


# -----------------------------------------------------------------------------


def make_rows(
    count: int, *, seed: int = 0, prompt_tokens: tuple[int, int] = (5, 20)
) -> list[dict[str, list[int]]]:
    """Rows that can be learned: the completion is the prompt's first token and the end of the turn."""
    numbers = random.Random(seed)
    rows = []
    for _ in range(count):
        prompt = [numbers.randrange(4, VOCABULARY) for _ in range(numbers.randint(*prompt_tokens))]
        rows.append({"prompt_ids": prompt, "completion_ids": [prompt[0], END_OF_TURN]})
    return rows


def make_pairs(count: int, *, seed: int = 0) -> list[dict[str, list[int]]]:
    """Of rows' answers the chosen one, and as rejected the prompt's last token in its place."""
    return [
        {
            "prompt_ids": row["prompt_ids"],
            "chosen_ids": row["completion_ids"],
            "rejected_ids": [row["prompt_ids"][-1], END_OF_TURN],
        }
        for row in make_rows(count, seed=seed)
    ]


def probes_of(rows: list[dict[str, list[int]]]) -> list[dict[str, list[int]]]:
    """Where each token of the completions is predicted."""
    return [
        {
            "ids": row["prompt_ids"] + row["completion_ids"],
            "positions": [len(row["prompt_ids"]) - 1 + place for place in range(len(row["completion_ids"]))],
        }
        for row in rows
    ]


def write_rows(path: Path, rows: list[dict[str, list[int]]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def sft_job(folder: Path, base: Path, gguf: Path, **changes: Any) -> dict[str, Any]:
    """A job of 12 steps over 20 rows: epochs of 2.5 steps, so that a resume has to find its place in one."""
    job = {
        "version": 1,
        "kind": "sft",
        "base": str(base),
        "gguf": str(gguf),
        "rows": "rows.jsonl",
        "workDir": "work",
        "device": "cpu",
        "threads": 1,
        "seed": 0,
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.1, "rsLora": False, "topLayers": 2, "targets": "all"},
        "startAdapter": None,
        "training": {
            "method": "sft",
            "beta": None,
            "steps": 12,
            "batch": 8,
            "microBatch": 4,
            "learningRate": 0.01,
            "warmupSteps": 2,
            "schedule": "linear",
            "precision": "autocast-bf16",
            "quantization": "none",
            "maxGradNorm": 1,
            "weightDecay": 0,
            "checkpointSteps": 2,
        },
        "evaluation": None,
        "neutral": [],
        "probe": [],
    }
    for name, value in changes.items():
        job[name] = {**job[name], **value} if isinstance(job[name], dict) else value
    write_rows(folder / "rows.jsonl", make_rows(20))
    return job


def held_out(folder: Path, **changes: Any) -> dict[str, Any]:
    """The `evaluation` of a job: ten rows of another seed, looked at after steps 3, 6, 9 and 12."""
    write_rows(folder / "held-out.jsonl", make_rows(10, seed=1))
    return {"rows": "held-out.jsonl", "everySteps": 3, "patience": 9, "keep": "best"} | changes


def write_job(folder: Path, job: dict[str, Any], name: str = "job.json") -> Path:
    (folder / name).write_text(json.dumps(job))
    return folder / name


def import_job(gguf: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": "import",
        "gguf": str(gguf),
        "baseFolder": None,
        "out": str(out),
        "workDir": str(out.with_name(f"{out.name}-work")),
        "dtype": "float32",
        "allowUntestedArchitecture": False,
        "threads": 1,
        "probe": [],
        **changes,
    }


# -----------------------------------------------------------------------------

PROJECT = Path(__file__).parents[1]


@dataclass
class Outcome:
    code: int
    stdout: str
    events: list[dict[str, Any]]

    @property
    def error(self) -> dict[str, Any]:
        """The one error event of a job that was refused."""
        (event,) = [event for event in self.events if event["type"] == "error"]
        return event


def command_line(*arguments: str | Path, prefix: tuple[str, ...] = (), **environment: str) -> Outcome:
    """Runs the command to its end."""
    child, pipe = start_command_line(*arguments, prefix=prefix, **environment)
    events = [json.loads(line) for line in pipe]
    stdout = child.stdout.read()
    code = child.wait()
    child.stdin.close()
    return Outcome(code, stdout, events)


def start_command_line(
    *arguments: str | Path, prefix: tuple[str, ...] = (), shell: str = 'exec "$@"', **environment: str
) -> tuple[subprocess.Popen[str], TextIO]:
    """Starts the command as a parent does: a pipe as standard input, events on descriptor 3 (returned)."""
    reader, writer = os.pipe()
    command = [*prefix, sys.executable, "-m", "better_together_trainer", *map(str, arguments)]
    child = subprocess.Popen(
        # subprocess cannot give a child a certain descriptor, a shell can.
        ["bash", "-c", f"exec 3>&{writer} {writer}>&-; {shell}", "bash", *command],
        cwd=PROJECT,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[writer],
        text=True,
    )
    os.close(writer)
    return child, os.fdopen(reader)


def refused(job: Path) -> Outcome:
    """Runs a job that must be refused before torch is imported."""
    outcome = command_line("run", job)
    phases = {event["phase"] for event in outcome.events if event["type"] == "heartbeat"}
    assert phases == {"check"}, f"refused only in {phases}"
    return outcome
