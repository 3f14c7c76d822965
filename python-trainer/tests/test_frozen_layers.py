"""Training behind the frozen layers is the same training."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from support import sft_job, start, write_job
from test_import import run_import
from tiny_architectures import TINY, write_tiny
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from better_together_trainer import frozen_layers
from better_together_trainer.frozen_layers import (
    FILE,
    Beginnings,
    FrozenStates,
    chunks_of,
    draws_dropout,
    take_out_frozen_layers,
)
from better_together_trainer.gguf_file import ARCHITECTURES
from better_together_trainer.model import load_model
from better_together_trainer.objective import answer_losses
from better_together_trainer.packing import IGNORED, Batch, collate, common_prompt, packed_length

LISTED = [name for name, tiny in TINY.items() if tiny.architecture in ARCHITECTURES]
FROZEN = 2


def row(prompt: list[int], completion: list[int]) -> dict[str, list[int]]:
    return {"input_ids": prompt + completion, "labels": [IGNORED] * len(prompt) + completion}


def rows(count: int, shared: int = 8, seed: int = 0) -> Batch:
    """Some of them share more than all do, and one is there twice."""
    draw = random.Random(seed)
    ids = lambda count: [draw.randrange(10, 250) for _ in range(count)]  # noqa: E731
    prefix, more = ids(shared), ids(3)
    made = [
        row(prefix + (more if draw.random() < 0.5 else []) + ids(draw.randrange(2, 6)), ids(2))
        for _ in range(count - 1)
    ]
    return [*made, made[0]]


# -----------------------------------------------------------------------------
# Beginnings.


def test_rows_have_as_many_numbers_in_common_as_ids() -> None:
    batch = rows(12)
    numbered = Beginnings(batch).of(batch)

    for one, one_numbered in zip(batch, numbered, strict=True):
        for other, other_numbered in zip(batch, numbered, strict=True):
            assert common_prompt([one, other]) == common_prompt([one_numbered, other_numbered])


def test_each_distinct_beginning_is_computed_in_some_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_layers, "CHUNK_TOKENS", 30)
    batch = rows(12)
    chunks = list(chunks_of(batch))

    assert len(chunks) > 2
    assert all(packed_length(chunk) <= 30 for chunk in chunks)
    assert sorted(map(str, batch)) == sorted(str(row) for chunk in chunks for row in chunk)


# -----------------------------------------------------------------------------
# The same training.


@pytest.mark.parametrize("name", LISTED)
def test_loss_and_gradients_are_those_of_the_whole_model(tmp_path: Path, name: str) -> None:
    write_tiny(tmp_path / "tiny.gguf", name)
    run_import(tmp_path, tmp_path / "tiny.gguf")
    batch = rows(6)
    whole, collates = upper_part(tmp_path / "out", batch, tmp_path)
    expected_loss, expected = computed(*whole, batch)
    loss, gradient = computed(*collates, batch)

    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert float((gradient - expected).norm() / expected.norm()) < 1e-5


def test_twenty_steps_have_the_losses_of_the_whole_model(base: Path, tmp_path: Path) -> None:
    batch = rows(16)
    whole, behind = upper_part(base, batch, tmp_path)
    losses, adapter = trained(*whole, batch)
    losses_behind, adapter_behind = trained(*behind, batch)

    assert losses[-1] < losses[0] / 2
    assert losses_behind == pytest.approx(losses, abs=1e-4)
    assert float((adapter_behind - adapter).norm() / adapter.norm()) < 1e-4


def test_rows_that_are_only_looked_at_change_no_bit(base: Path, tmp_path: Path) -> None:
    batch = rows(9)
    alone = states_of(base, batch, tmp_path)
    model = load_model(base, dtype=torch.float32, attention="sdpa")
    beside = take_out_frozen_layers(model, FROZEN, [batch, rows(9, seed=1) + batch[:2]], tmp_path).states

    assert len(beside) > len(alone)
    assert torch.equal(beside[: len(alone)], alone)


def test_states_that_do_not_fit_the_budget_are_mapped_and_leave_no_file(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = rows(6)
    in_memory = states_of(base, batch, tmp_path)
    monkeypatch.setattr(frozen_layers, "MEMORY_BUDGET_BYTES", 0)
    reserved: list[Path] = []
    require_space = frozen_layers.require_space
    monkeypatch.setattr(
        frozen_layers, "require_space", lambda path, size: (reserved.append(path), require_space(path, size))
    )
    mapped = states_of(base, batch, tmp_path)

    assert reserved == [tmp_path / FILE]
    assert torch.equal(mapped, in_memory)
    assert list(tmp_path.iterdir()) == []


def test_the_frozen_layers_leave_the_model(base: Path, tmp_path: Path) -> None:
    model = load_model(base, dtype=torch.float32, attention="sdpa")
    before = sum(weight.numel() for weight in model.model.layers.parameters())
    take_out_frozen_layers(model, FROZEN, [rows(2)], tmp_path)

    assert sum(weight.numel() for weight in model.model.layers.parameters()) == before / 3


def test_a_model_with_dropout_of_its_own_is_no_constant(base: Path) -> None:
    config = load_model(base, dtype=torch.float32, attention="sdpa").config
    assert not draws_dropout(config)
    config.attention_dropout = 0.1
    assert draws_dropout(config)


Way = tuple[PeftModel, Callable[[Batch], dict[str, torch.Tensor]]]


def upper_part(folder: Path, batch: Batch, work: Path) -> tuple[Way, Way]:
    """The same adapters on the top layer, of the whole model and behind the frozen layers."""
    whole, behind = (load_model(folder, dtype=torch.float32, attention="sdpa") for _ in range(2))
    frozen = whole.config.num_hidden_layers - 1
    states = take_out_frozen_layers(behind, frozen, [batch], work)
    return (adapted(whole, frozen), collate), (adapted(behind, frozen), states)


def adapted(model: PreTrainedModel, layer: int) -> PeftModel:
    torch.manual_seed(0)
    lora = LoraConfig(
        r=4, target_modules=linear_kinds(model), layers_to_transform=[layer], init_lora_weights=False
    )
    return get_peft_model(model, lora)


def linear_kinds(model: PreTrainedModel) -> list[str]:
    names = [name for name, part in model.model.named_modules() if isinstance(part, torch.nn.Linear)]
    return sorted({name.rpartition(".")[2] for name in names})


def computed(model: PeftModel, collate: Callable, batch: Batch) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    loss = answer_losses(model, collate(batch)).sum()
    loss.backward()
    return float(loss.detach()), torch.cat([weight.grad.flatten() for weight in trainable(model)])


def summed_loss(model: PeftModel, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
    labels = inputs.pop("labels")[:, 1:]
    del inputs["row_tokens"]
    logits = model(**inputs, use_cache=False).logits[:, :-1]
    loss = cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return loss, int((labels != IGNORED).sum())


def trained(model: PeftModel, collate: Callable, batch: Batch) -> tuple[list[float], torch.Tensor]:
    """Twenty steps of four rows each, in five epochs."""
    optimizer = torch.optim.AdamW(trainable(model), lr=1e-2)
    losses = []
    for step in range(20):
        optimizer.zero_grad()
        loss = answer_losses(model, collate(batch[step % 4 :: 4])).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses, torch.cat([weight.detach().flatten() for weight in trainable(model)])


def trainable(model: PeftModel) -> list[torch.nn.Parameter]:
    return [weight for weight in model.parameters() if weight.requires_grad]


def states_of(folder: Path, batch: Batch, work: Path) -> torch.Tensor:
    model = load_model(folder, dtype=torch.float32, attention="sdpa")
    states: FrozenStates = take_out_frozen_layers(model, FROZEN, [batch], work)
    return states.states


# -----------------------------------------------------------------------------
# In a job. That it resumes to equal bytes, test_sft.py shows: its jobs freeze a layer.


@pytest.mark.parametrize(
    ("changes", "is_behind"),
    [
        ({}, True),
        ({"lora": {"topLayers": None}}, False),
        ({"training": {"steps": 2}}, False),  # not every row is seen once
    ],
)
def test_a_job_says_when_it_computes_frozen_layers_once(
    tmp_path: Path, base: Path, gguf: Path, changes: dict, is_behind: bool
) -> None:
    job = sft_job(tmp_path, base, gguf, **changes)
    trainer = start(write_job(tmp_path, job))
    assert trainer.wait() == 0, trainer.events("error")

    phases = {event["phase"] for event in trainer.events("heartbeat")}
    assert ("computing 1 frozen layers once: 0.0 GB in memory" in phases) == is_behind
    assert ("frozen layers" in trainer.events("result")[0]["seconds"]) == is_behind
