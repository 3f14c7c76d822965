"""Held-out rows say when training ends and whose weights are kept, and change nothing else."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import (
    VOCABULARY,
    finish,
    held_out,
    make_rows,
    probes_of,
    refused,
    sft_job,
    start,
    write_job,
    write_rows,
)

from better_together_trainer.held_out import HeldOutLoss, best_step, is_out_of_patience

# So fast that it learns the training rows by heart and gets worse on others.
TRAINING = {"learningRate": 0.03, "schedule": "constant", "precision": "float32"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, base: Path, gguf: Path) -> dict[str, Any]:
    return finish(held_out_job(tmp_path_factory.mktemp("held-out"), base, gguf))


def held_out_job(folder: Path, base: Path, gguf: Path, **changes: Any) -> Path:
    job = {"training": TRAINING, "evaluation": held_out(folder)} | changes
    return write_job(folder, sft_job(folder, base, gguf, **job))


def test_the_weights_with_the_lowest_loss_are_handed_out(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict[str, Any]
) -> None:
    losses = {entry["step"]: entry["loss"] for entry in undisturbed["heldOutLosses"]}
    kept = undisturbed["keptStep"]
    assert list(losses) == [3, 6, 9, 12]
    assert kept == min(losses, key=losses.get) < undisturbed["steps"] == 12

    # The same training, ended there and without held-out rows: looking at them changed nothing.
    ended = finish(held_out_job(tmp_path, base, gguf, training=TRAINING | {"steps": kept}, evaluation=None))
    assert ended["sha256"] == undisturbed["sha256"]
    assert (ended["heldOutRows"], ended["heldOutLosses"]) == (0, [])


def test_the_last_weights_are_handed_out_where_they_are_asked_for(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict[str, Any]
) -> None:
    rows = make_rows(10, seed=1)
    last = held_out(tmp_path, keep="last")
    job = held_out_job(tmp_path, base, gguf, evaluation=last, probe=probes_of(rows))
    result = finish(job)

    assert (result["keptStep"], result["heldOutRows"]) == (12, 10)
    assert result["heldOutLosses"] == undisturbed["heldOutLosses"]
    # The figure is what the exported adapter makes of those rows.
    asked = [token for row in rows for token in row["completion_ids"]]
    said = np.fromfile(tmp_path / "work" / "probe-adapter.f32", "<f4").reshape(-1, VOCABULARY)
    loss = -said[range(len(asked)), asked].mean()
    assert result["heldOutLosses"][-1]["loss"] == pytest.approx(loss, abs=1e-4)


def test_training_ends_when_patience_does(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict[str, Any]
) -> None:
    job = held_out_job(tmp_path, base, gguf, evaluation=held_out(tmp_path, patience=1))
    result = finish(job)

    assert result["steps"] == undisturbed["keptStep"] + 3 < 12
    assert result["sha256"] == undisturbed["sha256"]
    again = start(job)
    assert again.wait() == 0
    assert again.events("progress") == []


def test_a_training_killed_at_five_moments_ends_in_the_same_bytes(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict[str, Any]
) -> None:
    job = held_out_job(tmp_path, base, gguf)
    for step in (1, 3, 5, 9, 12):
        trainer = start(job)
        trainer.wait_for_step(step)
        trainer.kill(signal.SIGKILL)
        assert trainer.wait() in (-signal.SIGKILL, 0)
    result = finish(job)

    same = ("sha256", "losses", "heldOutLosses", "steps", "keptStep", "tokens", "supervisedTokens")
    assert {name: result[name] for name in same} == {name: undisturbed[name] for name in same}


def test_a_training_whose_best_weights_were_damaged_makes_them_again(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict[str, Any]
) -> None:
    job = held_out_job(tmp_path, base, gguf)
    trainer = start(job)
    trainer.wait_for_step(undisturbed["keptStep"] + 2)
    trainer.kill(signal.SIGTERM)
    assert trainer.wait() == 75
    best = tmp_path / "work" / f"checkpoint-{undisturbed['keptStep']}"
    (best / "adapter_model.safetensors").write_bytes(b"half")

    assert finish(job)["sha256"] == undisturbed["sha256"]


def test_no_held_out_row_is_refused(tmp_path: Path, base: Path, gguf: Path) -> None:
    job = held_out_job(tmp_path, base, gguf)
    write_rows(tmp_path / "held-out.jsonl", [])

    outcome = refused(job)
    assert (outcome.code, outcome.error["code"]) == (2, "no-rows")


def test_patience_counts_the_evaluations_since_the_best() -> None:
    falling = [HeldOutLoss(step, loss) for step, loss in ((5, 3.0), (10, 2.0), (15, 2.0), (20, 2.5))]

    assert best_step(falling) == 10
    assert is_out_of_patience(falling, 2)
    assert not is_out_of_patience(falling, 3)
    assert not is_out_of_patience([], 1)
