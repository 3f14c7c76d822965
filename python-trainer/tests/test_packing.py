"""Rows as branches of one sequence: the same loss and gradients as rows that are computed one by one."""

import random
from pathlib import Path

import pytest
import torch
from test_import import run_import
from tiny_architectures import WINDOW, write_tiny

from better_together_trainer.model import load_model
from better_together_trainer.packing import IGNORED, LONGEST, collate, common_prompt


def row(prompt: list[int], completion: list[int]) -> dict[str, list[int]]:
    return {"input_ids": prompt + completion, "labels": [IGNORED] * len(prompt) + completion}


def rows(shared: int, seed: int = 0) -> list[dict[str, list[int]]]:
    draw = random.Random(seed)
    ids = lambda count: [draw.randrange(10, 250) for _ in range(count)]  # noqa: E731
    prefix = ids(shared)
    return [row(prefix + ids(draw.randrange(3, 12)), ids(draw.randrange(1, 4))) for _ in range(5)]


def test_the_longest_common_beginning_of_the_prompts_is_shared() -> None:
    assert common_prompt([row([1, 2, 3, 4], [9]), row([1, 2, 5], [9])]) == 2


def test_a_row_keeps_the_prompt_token_that_its_answer_begins_behind() -> None:
    assert common_prompt([row([1, 2, 3], [9]), row([1, 2, 3], [8])]) == 2


@pytest.mark.parametrize("shared", [0, 1, 20])
def test_loss_and_gradients_are_those_of_separate_rows(base: Path, shared: int) -> None:
    batch = rows(shared)
    for attention in ("sdpa", "eager"):
        model = load_model(base, dtype=torch.float32, attention=attention)
        separate = [computed(model, [one]) for one in batch]
        loss, gradient = computed(model, batch)
        assert loss == pytest.approx(sum(loss for loss, _ in separate), rel=1e-5)
        expected = sum(gradient for _, gradient in separate)
        assert float((gradient - expected).norm() / expected.norm()) < 1e-5


def test_a_window_that_no_row_fills_changes_nothing(tmp_path: Path) -> None:
    write_tiny(tmp_path / "tiny.gguf", "gemma3")
    run_import(tmp_path, tmp_path / "tiny.gguf")
    model = load_model(tmp_path / "out", dtype=torch.float32, attention="sdpa")
    batch = rows(16)
    batch.append(row(list(range(10, 10 + WINDOW - 1)), [7]))
    assert max(len(one["input_ids"]) for one in batch) == WINDOW
    loss, _ = computed(model, batch)
    assert loss == pytest.approx(sum(computed(model, [one])[0] for one in batch), rel=1e-5)


def test_rows_that_are_too_long_together_go_side_by_side() -> None:
    long = [row(list(range(LONGEST // 2)), [1]), row(list(range(7, LONGEST)), [2, 3])]
    batch = collate(long)
    assert batch["input_ids"].shape == (2, LONGEST - 7 + 2)
    assert batch["attention_mask"].sum() == batch["row_tokens"]


def computed(model: torch.nn.Module, batch: list[dict[str, list[int]]]) -> tuple[float, torch.Tensor]:
    """Summed loss and the gradient of all weights."""
    inputs = collate(batch)
    labels = inputs.pop("labels")
    del inputs["row_tokens"]
    model.zero_grad()
    logits = model(**inputs, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum"
    )
    loss.backward()
    gradients = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
    return float(loss.detach()), torch.cat(gradients)
