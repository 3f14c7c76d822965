"""Rows that are padded meet rows of their own length."""

import dataclasses
import random
import signal
from itertools import pairwise
from pathlib import Path

import pytest
from support import finish, make_rows, sft_job, start, write_job, write_rows
from test_import import run_import
from tiny_architectures import write_tiny
from transformers import LlamaConfig

from better_together_trainer.batches import order_of
from better_together_trainer.job import read_job
from better_together_trainer.length_groups import LengthGroups
from better_together_trainer.packing import IGNORED

DRAW = random.Random(0)
LENGTHS = [DRAW.randrange(10, 400) for _ in range(100)]


def epoch(number: int, *, seed: int = 0, lengths: list[int] = LENGTHS) -> list[int]:
    groups = LengthGroups(lengths, 8, seed)
    groups.set_epoch(number)
    return list(groups)


def test_an_epoch_has_every_row_once() -> None:
    assert all(sorted(epoch(number)) == list(range(100)) for number in range(5))
    assert sorted(epoch(0, lengths=LENGTHS[:3])) == [0, 1, 2]


def test_seed_and_epoch_decide_the_order() -> None:
    assert epoch(3) == epoch(3)
    assert epoch(3) != epoch(4)
    assert epoch(3) != epoch(3, seed=1)


def test_lengths_in_a_batch_are_alike_and_batches_in_no_order() -> None:
    shuffled = list(range(100))
    random.Random(0).shuffle(shuffled)
    batches = [[LENGTHS[row] for row in batch] for batch in batches_of(epoch(0))]

    assert padded_share(batches) < 0.12
    assert padded_share([[LENGTHS[row] for row in batch] for batch in batches_of(shuffled)]) > 0.35
    longest = [max(batch) for batch in batches]
    assert any(one > other for one, other in pairwise(longest))
    assert any(one < other for one, other in pairwise(longest))


def test_the_batch_that_is_not_full_is_last_and_not_always_the_longest() -> None:
    lasts = [{LENGTHS[row] for row in epoch(number)[96:]} for number in range(6)]

    assert len({max(last) // 100 for last in lasts}) > 1


def batches_of(rows: list[int]) -> list[list[int]]:
    return [rows[start : start + 8] for start in range(0, len(rows), 8)]


def padded_share(batches: list[list[int]]) -> float:
    computed = sum(max(batch) * len(batch) for batch in batches)
    return 1 - sum(map(sum, batches)) / computed


# -----------------------------------------------------------------------------
# In a training.


def test_rows_beyond_the_window_go_by_length_and_resume_to_equal_bytes(tmp_path: Path) -> None:
    """A Gemma with a window of 32 tokens: longer rows cannot be packed."""
    write_tiny(tmp_path / "tiny.gguf", "gemma3")
    run_import(tmp_path, tmp_path / "tiny.gguf")
    expected = finish(gemma_job(tmp_path, "undisturbed"))

    job = gemma_job(tmp_path, "stopped")
    trainer = start(job)
    trainer.wait_for_step(3)
    trainer.kill(signal.SIGTERM)
    assert trainer.wait() == 75
    result = finish(job)
    assert {name: result[name] for name in ("sha256", "losses")} == {
        name: expected[name] for name in ("sha256", "losses")
    }


def gemma_job(folder: Path, name: str) -> Path:
    own = folder / name
    own.mkdir()
    job = sft_job(own, folder / "out", folder / "tiny.gguf")
    write_rows(own / "rows.jsonl", make_rows(20, prompt_tokens=(5, 40)))
    return write_job(own, job)


@pytest.mark.parametrize(
    ("window", "tokens", "micro_batch", "is_grouped"),
    [
        (32, 32, 4, False),
        (32, 33, 4, True),
        (None, 1000, 4, False),
        (None, 1100, 4, True),  # together longer than LONGEST
        (None, 1100, 2, False),
    ],
)
def test_rows_go_by_length_only_where_a_batch_may_be_padded(
    tmp_path: Path,
    base: Path,
    gguf: Path,
    window: int | None,
    tokens: int,
    micro_batch: int,
    is_grouped: bool,
) -> None:
    training = dataclasses.replace(
        read_job(write_job(tmp_path, sft_job(tmp_path, base, gguf))).training, micro_batch=micro_batch
    )
    rows = [
        {"input_ids": [row, *range(tokens - 1)], "labels": [IGNORED, *range(tokens - 1)]} for row in range(8)
    ]

    order = order_of(LlamaConfig(sliding_window=window), rows, training, 0)
    assert (order is not None) == is_grouped
