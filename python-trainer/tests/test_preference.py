"""Of two answers the chosen one gains on the rejected one, from where the training began."""

import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import VOCABULARY, finish, held_out, make_pairs, probes_of, sft_job, start, write_job, write_rows

from better_together_trainer.packing import IGNORED
from better_together_trainer.preference import row_of_each_learned_token

BETA = 0.5
TRAINING = {"method": "dpo", "beta": BETA, "precision": "float32", "schedule": "constant"}


def dpo_job(folder: Path, base: Path, gguf: Path, name: str = "job.json", **changes: Any) -> Path:
    """Twenty pairs to learn, and other ten that are held out."""
    evaluation = held_out(folder, keep="last")
    job = sft_job(folder, base, gguf, **{"training": TRAINING, "evaluation": evaluation} | changes)
    write_rows(folder / "rows.jsonl", make_pairs(20))
    write_rows(folder / "held-out.jsonl", make_pairs(10, seed=1))
    return write_job(folder, job, name)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, base: Path, gguf: Path) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("dpo")
    probe = [probe for side in ("chosen", "rejected") for probe in probes_of(answers(side))]
    return finish(dpo_job(folder, base, gguf, probe=probe)) | {"folder": folder}


def answers(side: str) -> list[dict[str, list[int]]]:
    """The held-out pairs as rows of one of their answers."""
    return [
        {"prompt_ids": pair["prompt_ids"], "completion_ids": pair[f"{side}_ids"]}
        for pair in make_pairs(10, seed=1)
    ]


def test_the_loss_is_that_of_the_paper(undisturbed: dict[str, Any]) -> None:
    asked = [
        token for side in ("chosen", "rejected") for row in answers(side) for token in row["completion_ids"]
    ]
    without, adapted = (
        np.fromfile(undisturbed["folder"] / "work" / f"probe-{name}.f32", "<f4").reshape(-1, VOCABULARY)
        for name in ("base", "adapter")
    )
    gains = (adapted - without)[range(len(asked)), asked].reshape(2, 10, 2).sum(-1)  # (side, pair)
    loss = np.log1p(np.exp(-BETA * (gains[0] - gains[1]))).mean()

    assert undisturbed["losses"][0]["loss"] == pytest.approx(math.log(2), abs=1e-5)  # nothing was gained yet
    assert undisturbed["heldOutLosses"][-1]["loss"] == pytest.approx(loss, abs=1e-4)
    assert undisturbed["losses"][-1]["loss"] < 0.5
    assert undisturbed["supervisedTokens"] == 4 * 20 * 4


def test_beta_says_how_far_the_answers_may_part(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict[str, Any]
) -> None:
    result = finish(dpo_job(tmp_path, base, gguf, training=TRAINING | {"beta": 0.05}))

    assert result["sha256"] != undisturbed["sha256"]
    assert result["losses"][-1]["loss"] > undisturbed["losses"][-1]["loss"]


def test_a_continued_training_counts_from_the_adapter_that_it_starts_with(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict[str, Any]
) -> None:
    start_adapter = str(undisturbed["folder"] / "work" / "adapter")
    changes = {"startAdapter": start_adapter, "training": TRAINING | {"steps": 2}, "lora": {"dropout": 0}}
    result = finish(dpo_job(tmp_path, base, gguf, **changes))

    assert result["losses"][0]["loss"] == pytest.approx(math.log(2), abs=1e-4)


def test_a_training_killed_at_five_moments_ends_in_the_same_bytes(
    tmp_path: Path, base: Path, gguf: Path, undisturbed: dict[str, Any]
) -> None:
    job = dpo_job(tmp_path, base, gguf)
    for step in (1, 4, 6, 8, 12):
        trainer = start(job)
        trainer.wait_for_step(step)
        trainer.kill(signal.SIGKILL)
        assert trainer.wait() in (-signal.SIGKILL, 0)
    result = finish(job)

    same = ("sha256", "losses", "heldOutLosses", "steps", "tokens", "supervisedTokens")
    assert {name: result[name] for name in same} == {name: undisturbed[name] for name in same}


def test_every_learned_token_knows_its_answer() -> None:
    packed = torch.tensor([[IGNORED, IGNORED, 5, 2, IGNORED, 6, IGNORED, IGNORED, 7, 2]])
    padded = torch.tensor([[IGNORED, 5, 2], [IGNORED, IGNORED, 6], [IGNORED, 7, IGNORED]])

    assert row_of_each_learned_token(packed).tolist() == [0, 0, 1, 2, 2]
    assert row_of_each_learned_token(padded).tolist() == [0, 0, 1, 2]
