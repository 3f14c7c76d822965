"""The process as a parent sees it: arguments, exit codes, events on descriptor 3, no network."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest
from support import (
    command_line,
    finish,
    import_job,
    make_rows,
    refused,
    sft_job,
    start_command_line,
    write_job,
    write_rows,
)
from tiny_model import write_tiny_model

from better_together_trainer.events import Events
from better_together_trainer.files import sha256_of

# -----------------------------------------------------------------------------
# Refused before torch is imported, which `refused` checks.


def test_a_bad_job_ends_with_2_and_all_of_its_mistakes(tmp_path: Path) -> None:
    outcome = refused(write_job(tmp_path, {"kind": "sft", "version": 1}))

    assert outcome.code == 2
    assert outcome.error["code"] == "bad-job"
    assert "has 11 mistakes" in outcome.error["message"]
    assert "README" in outcome.error["hint"]


def test_a_file_that_is_no_gguf_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<!doctype html>")
    outcome = refused(write_job(tmp_path, import_job(tmp_path / "page.gguf", tmp_path / "out")))

    assert outcome.code == 2
    assert outcome.error["code"] == "bad-gguf"
    assert "Fetch or export the file again" in outcome.error["hint"]


def test_an_unsupported_architecture_ends_with_3(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "falcon.gguf", architecture="falcon")
    outcome = refused(write_job(tmp_path, import_job(tmp_path / "falcon.gguf", tmp_path / "out")))

    assert outcome.code == 3
    assert outcome.error["code"] == "unsupported-architecture"
    assert "falcon" in outcome.error["message"]
    assert "llama" in outcome.error["hint"]


def test_zero_rows_end_with_2(tmp_path: Path, base: Path, gguf: Path) -> None:
    job = sft_job(tmp_path, base, gguf)
    write_rows(tmp_path / "rows.jsonl", [])

    outcome = refused(write_job(tmp_path, job))
    assert (outcome.code, outcome.error["code"]) == (2, "no-rows")


def test_a_base_of_another_gguf_ends_with_2(tmp_path: Path, base: Path) -> None:
    write_tiny_model(tmp_path / "other.gguf", seed=9)

    outcome = refused(write_job(tmp_path, sft_job(tmp_path, base, tmp_path / "other.gguf")))
    assert (outcome.code, outcome.error["code"]) == (2, "other-base")


def test_more_layers_than_there_are_end_with_2(tmp_path: Path, base: Path, gguf: Path) -> None:
    outcome = refused(write_job(tmp_path, sft_job(tmp_path, base, gguf, lora={"topLayers": 4})))

    assert outcome.code == 2
    assert "lora.topLayers is 4; the model has 3 layers" in outcome.error["message"]


def test_a_work_folder_belongs_to_one_job(tmp_path: Path, base: Path, gguf: Path) -> None:
    """Resuming another job's checkpoints would be a silent mixture of two trainings."""
    short = {"steps": 1, "warmupSteps": 0}
    finish(write_job(tmp_path, sft_job(tmp_path, base, gguf, training=short)))

    other_seed = refused(write_job(tmp_path, sft_job(tmp_path, base, gguf, training=short, seed=1)))
    assert (other_seed.code, other_seed.error["code"]) == (2, "work-dir-taken")

    job = sft_job(tmp_path, base, gguf, training=short)
    write_rows(tmp_path / "rows.jsonl", make_rows(20, seed=1))
    assert refused(write_job(tmp_path, job)).error["code"] == "work-dir-taken"


@pytest.mark.parametrize("arguments", [[], ["run"], ["train", "x"], ["reencode", "a", "b", "--type", "Q4_K"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert command_line(*arguments).code == 2


# -----------------------------------------------------------------------------
# The other commands.


def test_versions_are_one_line_of_json() -> None:
    outcome = command_line("versions")
    described = json.loads(outcome.stdout)

    assert outcome.code == 0
    assert outcome.stdout.count("\n") == 1
    assert described["versions"]["torch"].startswith("2.15.0")
    assert set(described) == {"versions", "platform", "cpu", "cuda", "metal"}


def test_reencode_says_what_it_wrote(tmp_path: Path, gguf: Path) -> None:
    out = tmp_path / "q8.gguf"
    outcome = command_line("reencode", gguf, out, "--type", "Q8_0")

    assert outcome.code == 0
    assert json.loads(outcome.stdout) == {
        "type": "Q8_0",
        "bytes": out.stat().st_size,
        "sha256": sha256_of(out),
    }


def test_reencode_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<!doctype html>")

    assert command_line("reencode", tmp_path / "page.gguf", tmp_path / "out.gguf", "--type", "Q8_0").code == 2
    assert not (tmp_path / "out.gguf").exists()


# -----------------------------------------------------------------------------
# Events.


def test_events_hold_no_nan(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "events", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(ValueError, match="not JSON compliant"):
        Events(descriptor).emit("progress", loss=float("nan"))
    os.close(descriptor)

    assert (tmp_path / "events").read_text() == ""


def test_a_parent_that_is_gone_does_not_break_the_child() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    events = Events(writer)
    for step in range(3):
        events.emit("progress", step=step)
    os.close(writer)


# -----------------------------------------------------------------------------
# The end of the parent, while there is nothing to save yet.


@pytest.mark.parametrize("how", ["stdin closed", "SIGTERM", "SIGINT"])
def test_a_stop_while_torch_is_imported_ends_the_process_at_once(
    tmp_path: Path, base: Path, gguf: Path, how: str
) -> None:
    job = write_job(tmp_path, sft_job(tmp_path, base, gguf))
    child, pipe = start_command_line("run", job)
    wait_for_phase(pipe, "import torch")
    child.stdin.close() if how == "stdin closed" else child.send_signal(signal.Signals[how])
    rest = [json.loads(line) for line in pipe]

    assert child.wait() == 75
    assert rest[-1] == {"v": 1, "type": "stopped", "reason": how}
    assert "ready" not in [event["type"] for event in rest]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_parent_that_is_killed_takes_the_trainer_with_it(tmp_path: Path, base: Path, gguf: Path) -> None:
    """Even while somebody else, here this test, holds the trainer's standard input open."""
    job = write_job(tmp_path, sft_job(tmp_path, base, gguf))
    parent, pipe = start_command_line("run", job, shell='"$@" <&0 & wait')
    wait_for_phase(pipe, "import torch")
    parent.kill()
    rest = [json.loads(line) for line in pipe]

    assert rest[-1] == {"v": 1, "type": "stopped", "reason": "SIGTERM"}
    parent.wait()
    parent.stdin.close()


def wait_for_phase(pipe: TextIO, phase: str) -> None:
    for line in pipe:
        if json.loads(line).get("phase") == phase:
            return
    pytest.fail(f"the process ended before its phase {phase!r}")


# -----------------------------------------------------------------------------
# A whole training from the command line, off the network.

NETWORK_WATCH = Path(__file__).with_name("network_watch")


def test_a_training_needs_no_network_and_is_the_same_from_the_command_line(
    tmp_path: Path, base: Path, gguf: Path
) -> None:
    changes = {
        "training": {"steps": 3, "warmupSteps": 0},
        "probe": [{"ids": [4, 5, 6], "positions": [2]}],
    }
    watched = {
        "PYTHONPATH": str(NETWORK_WATCH),
        "NETWORK_LOG": str(tmp_path / "network.log"),
        "CI": "",  # under which TRL would send no telemetry anyway
    }
    job = write_job(tmp_path, sft_job(tmp_path, base, gguf, **changes))
    outcome = command_line("run", job, prefix=own_network(), **watched)

    assert outcome.code == 0, outcome.events[-1]
    assert attempts(watched) == ""
    subprocess.run([sys.executable, "-c", LOOK_UP], env=os.environ | watched, check=False)
    assert "socket.getaddrinfo" in attempts(watched)  # the watch itself works

    kinds = [event["type"] for event in outcome.events if event["type"] != "heartbeat"]
    phases = [event["phase"] for event in outcome.events if event["type"] == "heartbeat"]
    assert [kind for kind in kinds if kind != "warning"] == [
        "start", "ready", "progress", "progress", "checkpoint", "progress", "checkpoint", "result",
    ]  # fmt: skip
    assert phases.count("import torch") > 1  # the beats go on while the main thread imports
    (result,) = [event for event in outcome.events if event["type"] == "result"]
    assert json.loads((tmp_path / "work" / "result.json").read_text()).items() <= result.items()

    forked = sft_job(tmp_path, base, gguf, workDir="forked", **changes)
    assert finish(write_job(tmp_path, forked, "forked.json"))["sha256"] == result["sha256"]


LOOK_UP = "import socket; socket.getaddrinfo('localhost', 80)"


def attempts(watched: dict[str, str]) -> str:
    log = Path(watched["NETWORK_LOG"])
    return log.read_text() if log.exists() else ""


def own_network() -> tuple[str, ...]:
    """A prefix that gives a command an empty network of its own, where the system permits it."""
    command = ("unshare", "-rn")
    if shutil.which("unshare") and subprocess.run([*command, "true"], check=False).returncode == 0:
        return command
    print("unshare -rn is not permitted here: attempts are noted, but not made impossible")
    return ()
