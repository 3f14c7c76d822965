"""Training gives the same bytes however often it is stopped, and learns what the rows say."""

import errno
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import MEBIBYTE, VOCABULARY, finish, make_rows, probes_of, sft_job, start, write_job, write_rows

from better_together_trainer.errors import is_out_of_memory
from better_together_trainer.files import sha256_of


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, base: Path, gguf: Path) -> dict[str, Any]:
    """The result that every disturbed training must arrive at."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return finish(write_job(folder, sft_job(folder, base, gguf))) | {"folder": folder}


@pytest.fixture
def job(tmp_path: Path, base: Path, gguf: Path) -> Path:
    """The same job in a folder of its own."""
    return write_job(tmp_path, sft_job(tmp_path, base, gguf))


# -----------------------------------------------------------------------------
# One result.


def test_equal_jobs_give_equal_bytes(job: Path, undisturbed: dict[str, Any]) -> None:
    result = finish(job)

    assert result["sha256"] == undisturbed["sha256"]
    assert result["losses"] == undisturbed["losses"]
    for file in ("adapter/adapter_model.safetensors", "adapter/adapter_config.json"):
        assert sha256_of(job.parent / "work" / file) == sha256_of(undisturbed["folder"] / "work" / file)


def test_another_seed_gives_another_adapter(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict
) -> None:
    result = finish(write_job(tmp_path, sft_job(tmp_path, base, gguf, seed=1)))

    assert result["sha256"] != undisturbed["sha256"]


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "stdin closed"])
def test_a_stop_saves_and_a_second_run_goes_on(job: Path, undisturbed: dict[str, Any], how: str) -> None:
    trainer = start(job)
    trainer.wait_for_step(3)
    trainer.stdin.close() if how == "stdin closed" else trainer.kill(signal.Signals[how])
    assert trainer.wait() == 75

    (stopped,) = trainer.events("stopped")
    assert stopped["reason"] == how
    assert 3 <= stopped["step"] < stopped["steps"] == 12
    assert trainer.events("checkpoint")[-1]["step"] == stopped["step"]
    assert not (job.parent / "work" / "result.json").exists()

    resumed = start(job)
    assert resumed.wait() == 0
    assert resumed.events("progress")[0]["step"] == stopped["step"] + 1
    assert_same_outcome(resumed.events("result")[0], undisturbed)


def test_a_process_killed_at_any_moment_loses_nothing_that_counts(
    job: Path, undisturbed: dict[str, Any]
) -> None:
    chance = random.Random(time.time_ns())
    step, seconds = chance.randint(1, 12), chance.uniform(0, 0.1)
    trainer = start(job)
    trainer.wait_for_step(step)
    time.sleep(seconds)
    trainer.kill(signal.SIGKILL)
    code = trainer.wait()

    assert code in (-signal.SIGKILL, 0), f"killed {seconds:.3f} s after step {step}"
    assert_same_outcome(finish(job), undisturbed)


def test_a_stop_after_the_last_step_leaves_only_the_export(job: Path, undisturbed: dict[str, Any]) -> None:
    trainer = start(job)
    trainer.wait_for_step(12)
    trainer.kill(signal.SIGTERM)
    assert trainer.wait() in (75, 0)  # it may have been quicker

    resumed = start(job)
    assert resumed.wait() == 0
    assert resumed.events("progress") == []
    assert_same_outcome(resumed.events("result")[0], undisturbed)


def test_a_checkpoint_that_is_not_whole_is_not_resumed(job: Path, undisturbed: dict[str, Any]) -> None:
    trainer = start(job)
    trainer.wait_for_step(7)
    trainer.kill(signal.SIGTERM)
    assert trainer.wait() == 75
    newest = job.parent / "work" / f"checkpoint-{trainer.events('stopped')[0]['step']}"
    optimizer = newest / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:-1])

    resumed = start(job)
    assert resumed.wait() == 0
    assert resumed.events("progress")[0]["step"] <= trainer.events("stopped")[0]["step"]
    assert_same_outcome(resumed.events("result")[0], undisturbed)


def assert_same_outcome(result: dict[str, Any], undisturbed: dict[str, Any]) -> None:
    same = (
        "sha256",
        "losses",
        "tokens",
        "supervisedTokens",
        "steps",
        "modules",
        "permuted",
        "weightMismatch",
    )
    assert {name: result[name] for name in same} == {name: undisturbed[name] for name in same}


def test_a_finished_job_is_found_finished(undisturbed: dict[str, Any]) -> None:
    again = start(undisturbed["folder"] / "job.json")

    assert again.wait() == 0
    assert again.events("result")[0]["sha256"] == undisturbed["sha256"]
    assert again.events("progress") == []


# -----------------------------------------------------------------------------
# What is learned, and what is handed out.


def test_the_work_folder_holds_what_was_promised_and_no_path(undisturbed: dict[str, Any]) -> None:
    work = undisturbed["folder"] / "work"
    files = {str(file.relative_to(work)) for file in work.rglob("*") if file.is_file()}

    assert files == {
        "adapter.gguf",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "job-key.json",
        "result.json",
        "rescored.json",
    }
    assert json.loads((work / "result.json").read_text())["sha256"] == sha256_of(work / "adapter.gguf")
    for file in ("result.json", "adapter/adapter_config.json"):
        assert str(undisturbed["folder"].parent) not in (work / file).read_text()
    assert {oct(file.stat().st_mode & 0o077) for file in work.rglob("*")} == {"0o0"}


def test_the_result_counts_what_was_done(undisturbed: dict[str, Any]) -> None:
    rows = make_rows(20)
    tokens = sum(len(row["prompt_ids"]) + len(row["completion_ids"]) for row in rows)

    # 12 steps in epochs of 8 + 8 + 4 rows: four times every row.
    assert undisturbed["tokens"] == 4 * tokens
    assert undisturbed["supervisedTokens"] == 4 * 2 * 20
    assert (undisturbed["modules"], undisturbed["permuted"], undisturbed["weightMismatch"]) == (14, 4, 0.0)
    assert (undisturbed["effectiveBatch"], undisturbed["microBatch"], undisturbed["accumulation"]) == (
        8,
        4,
        2,
    )
    assert [entry["step"] for entry in undisturbed["losses"]] == list(range(1, 13))


def test_the_loss_is_that_of_the_completions_alone(tmp_path: Path, base: Path, gguf: Path) -> None:
    """The first step's loss, of an adapter that does nothing yet, is the base's own; later steps lower it."""
    rows = make_rows(6)
    training = {"steps": 12, "batch": 6, "microBatch": 3, "precision": "float32", "schedule": "constant"}
    job = sft_job(
        tmp_path, base, gguf, training=training, probe=probes_of(rows), lora={"topLayers": None, "dropout": 0}
    )
    write_rows(tmp_path / "rows.jsonl", rows)
    result = finish(write_job(tmp_path, job))

    asked = np.array([token for row in rows for token in row["completion_ids"]])
    before, after = (
        -np.fromfile(tmp_path / "work" / f"probe-{name}.f32", "<f4")
        .reshape(-1, VOCABULARY)[range(12), asked]
        .mean()
        for name in ("base", "adapter")
    )
    rescored = json.loads((tmp_path / "work" / "rescored.json").read_text())
    assert [{key: row[key] for key in ("row", "promptIds", "completionIds")} for row in rescored] == [
        {"row": at, "promptIds": row["prompt_ids"], "completionIds": row["completion_ids"]}
        for at, row in enumerate(rows)
    ]
    assert -np.mean([row["logProbabilities"] for row in rescored]) == pytest.approx(after, abs=1e-5)
    assert result["losses"][0]["loss"] == pytest.approx(before, abs=1e-4)
    assert after < before / 2
    assert (result["modules"], result["permuted"]) == (21, 6)


def test_an_adapter_can_be_continued(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict[str, Any]
) -> None:
    adapter = undisturbed["folder"] / "work" / "adapter"
    result = finish(write_job(tmp_path, sft_job(tmp_path, base, gguf, startAdapter=str(adapter), seed=3)))
    assert result["losses"][0]["loss"] < undisturbed["losses"][0]["loss"] - 1

    other = sft_job(tmp_path, base, gguf, startAdapter=str(adapter), lora={"rank": 8}, workDir="other")
    trainer = start(write_job(tmp_path, other, "other.json"))
    assert trainer.wait() == 3
    assert "r 4 instead of 8" in trainer.events("error")[0]["message"]


def test_rows_that_never_end_their_turn_are_pointed_out(tmp_path: Path, base: Path, gguf: Path) -> None:
    job = sft_job(tmp_path, base, gguf, training={"steps": 1, "warmupSteps": 0})
    write_rows(tmp_path / "rows.jsonl", [{"prompt_ids": [5], "completion_ids": [6]}] * 3)
    trainer = start(write_job(tmp_path, job))

    assert trainer.wait() == 0
    assert "rows-without-end" in [event["code"] for event in trainer.events("warning")]


def test_a_training_that_diverges_is_refused_and_not_exported(tmp_path: Path, base: Path, gguf: Path) -> None:
    trainer = start(write_job(tmp_path, sft_job(tmp_path, base, gguf, training={"learningRate": 1e30})))

    assert trainer.wait() == 3
    assert trainer.events("error")[0]["code"] == "loss-not-finite"
    assert not (tmp_path / "work" / "adapter.gguf").exists()


# -----------------------------------------------------------------------------
# Memory.

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces an address-space limit")


def memory_job(folder: Path, base: Path, gguf: Path) -> Path:
    """32 rows of 2000 tokens; measured: 1400 MiB do for all, 500 for 8 at a time and 100 for none."""
    training = {"steps": 1, "warmupSteps": 0, "batch": 32, "microBatch": 32, "precision": "float32"}
    job = sft_job(folder, base, gguf, training=training, lora={"topLayers": None})
    write_rows(folder / "rows.jsonl", make_rows(32, prompt_tokens=(2000, 2000)))
    return write_job(folder, job)


@needs_linux
def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(
    tmp_path: Path, base: Path, gguf: Path
) -> None:
    trainer = start(memory_job(tmp_path, base, gguf), spare_memory_bytes=800 * MEBIBYTE)

    assert trainer.wait() == 0, trainer.events("error")
    (result,) = trainer.events("result")
    halvings = [
        event["microBatch"] for event in trainer.events("warning") if event["code"] == "out-of-memory"
    ]
    assert halvings
    assert halvings == [16, 8, 4, 2, 1][: len(halvings)]
    assert result["microBatch"] == halvings[-1]
    assert (result["effectiveBatch"], result["accumulation"]) == (32, 32 // halvings[-1])


@needs_linux
def test_out_of_memory_with_one_row_is_said_and_not_retried(tmp_path: Path, base: Path, gguf: Path) -> None:
    trainer = start(memory_job(tmp_path, base, gguf), spare_memory_bytes=100 * MEBIBYTE)

    assert trainer.wait() == 4
    assert trainer.events("error")[0]["code"] == "out-of-memory"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        RuntimeError(
            "unable to mmap 570040 bytes from file <model.safetensors>: Cannot allocate memory (12)"
        ),
        RuntimeError("MPS backend out of memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
)
def test_every_way_to_run_out_of_memory_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert not is_out_of_memory(KeyError("out of memory"))
