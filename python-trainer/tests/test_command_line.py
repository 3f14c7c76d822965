"""The process as a parent sees it: arguments, exit codes, events on descriptor 3, no network."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from better_together_trainer.events import Events
from better_together_trainer.files import sha256_of
from support import command_line, finish, import_job, make_rows, refused, sft_job, write_job, write_rows
from tiny_model import write_tiny_model

# -----------------------------------------------------------------------------
# Refused before torch is imported, which `refused` checks.


def test_a_bad_job_ends_with_2_and_all_of_its_mistakes(tmp_path: Path) -> None:
    outcome = refused(write_job(tmp_path, {"kind": "sft", "version": 1}))

    assert outcome.code == 2
    assert outcome.error["code"] == "bad-job"
    assert "has 12 mistakes" in outcome.error["message"]
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
    assert set(described) == {"versions", "platform", "cuda", "metal"}


def test_reencode_says_what_it_wrote(tmp_path: Path, gguf: Path) -> None:
    out = tmp_path / "q8.gguf"
    outcome = command_line("reencode", gguf, out, "--type", "Q8_0")

    assert outcome.code == 0
    assert json.loads(outcome.stdout) == {"type": "Q8_0", "bytes": out.stat().st_size, "sha256": sha256_of(out)}


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
# A whole training from the command line, off the network.

# Loaded by the child's interpreter before anything else; notes every attempt to reach or look up another machine,
# also one whose failure a library swallows.
NETWORK_WATCH = """
import os, sys

def watch(event, arguments):
    is_local = event == "socket.connect" and not isinstance(arguments[1], tuple)  # a Unix socket's address is a path
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto") and not is_local:
        with open(os.environ["NETWORK_LOG"], "a") as log:
            print(event, arguments[1:], file=log)

sys.addaudithook(watch)
"""


def own_network() -> tuple[str, ...]:
    """A prefix that gives a command an empty network of its own, where the system permits it."""
    command = ("unshare", "-rn")
    permitted = shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0
    if not permitted:
        print("unshare -rn is not permitted here: attempts are noted, but not made impossible")
    return command if permitted else ()


def test_a_training_needs_no_network_and_is_the_same_from_the_command_line(
    tmp_path: Path, base: Path, gguf: Path
) -> None:
    training = {"steps": 3, "warmupSteps": 0}
    probe = [{"ids": [4, 5, 6], "positions": [2]}]
    (tmp_path / "sitecustomize.py").write_text(NETWORK_WATCH)
    log = tmp_path / "network.log"
    (tmp_path / "noted").mkdir()
    watched = {"PYTHONPATH": str(tmp_path), "NETWORK_LOG": str(log), "CI": ""}  # TRL sends no telemetry under CI
    job = write_job(tmp_path, sft_job(tmp_path, base, gguf, training=training, probe=probe))
    outcome = command_line("run", job, prefix=own_network(), **watched)

    assert outcome.code == 0, outcome.events[-1]
    assert not log.exists(), log.read_text()
    assert_the_watch_works(tmp_path, watched)

    kinds = [event["type"] for event in outcome.events if event["type"] != "heartbeat"]
    assert kinds == ["start", "ready", *["progress"] * 2, "checkpoint", "progress", "checkpoint", "result"]
    (result,) = [event for event in outcome.events if event["type"] == "result"]
    assert json.loads((tmp_path / "work" / "result.json").read_text()).items() <= result.items()

    forked = sft_job(tmp_path, base, gguf, training=training, probe=probe, workDir="forked")
    assert finish(write_job(tmp_path, forked, "forked.json"))["sha256"] == result["sha256"]


def assert_the_watch_works(folder: Path, environment: dict[str, str]) -> None:
    attempt = "import socket; socket.getaddrinfo('localhost', 80)"
    subprocess.run(["python3", "-c", attempt], env=os.environ | environment, cwd=folder, check=False)
    assert "getaddrinfo" in Path(environment["NETWORK_LOG"]).read_text()
