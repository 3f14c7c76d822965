"""Rows of one micro batch as branches of one sequence: what all their prompts begin with is computed once.

The rows of a step share their instructions, labels and demos. Packed as [prefix, row 1, ..., row 8], with
positions that start again after the prefix and a mask that lets a row see the prefix and itself, the model
computes for every row just what it computes for it alone, and the gradients are the same sums: equal to 1e-6
in float32. Nothing is padded either.
"""

import torch

IGNORED = -100
# exp(-1e4) is 0 in every dtype. Not the smallest float: TRL adds the mask up for its metrics.
BLOCKED = -1e4
# The mask is a square matrix: beyond this the rows go side by side, padded.
LONGEST = 4096

Batch = list[dict[str, list[int]]]


def collate(batch: Batch) -> dict[str, torch.Tensor]:
    """One packed sequence, (1, N), or padded rows, (B, T), where that would be too long."""
    return pack(batch, common_prompt(batch)) if packed_length(batch) <= LONGEST else pad(batch)


def packed_length(batch: Batch) -> int:
    shared = common_prompt(batch)
    return shared + sum(len(row["input_ids"]) - shared for row in batch)


def common_prompt(batch: Batch) -> int:
    """How many tokens all prompts begin with. One prompt token at least stays with its row: the answer's
    first token is predicted from it."""
    first, *others = (row["input_ids"] for row in batch)
    most = min(prompt_length(row) for row in batch) - 1
    shared = 0
    while shared < most and all(ids[shared] == first[shared] for ids in others):
        shared += 1
    return shared


def prompt_length(row: dict[str, list[int]]) -> int:
    return next(place for place, label in enumerate(row["labels"]) if label != IGNORED)


def pack(batch: Batch, shared: int) -> dict[str, torch.Tensor]:
    ids = batch[0]["input_ids"][:shared]
    labels = [IGNORED] * shared
    positions = list(range(shared))
    branches = [0] * shared  # which row a token belongs to; 0 is the prefix
    for branch, row in enumerate(batch, start=1):
        own = row["input_ids"][shared:]
        ids = ids + own
        labels = labels + row["labels"][shared:]
        positions = positions + list(range(shared, shared + len(own)))
        branches = branches + [branch] * len(own)
    branch = torch.tensor(branches)  # (N,)
    sees = (branch[:, None] == branch[None, :]) | (branch[None, :] == 0)  # (N, N)
    mask = torch.where(sees.tril(), 0.0, BLOCKED)
    return {
        "input_ids": torch.tensor([ids]),  # (1, N)
        "labels": torch.tensor([labels]),
        "position_ids": torch.tensor([positions]),
        "attention_mask": mask[None, None],  # (1, 1, N, N)
        "row_tokens": torch.tensor(sum(len(row["input_ids"]) for row in batch)),
    }


def pad(batch: Batch) -> dict[str, torch.Tensor]:
    """Pads on the right. Which id pads is of no consequence: the mask hides it and no label asks for it."""
    longest = max(len(row["input_ids"]) for row in batch)

    def padded(lists: list[list[int]], filler: int) -> torch.Tensor:
        return torch.tensor([ids + [filler] * (longest - len(ids)) for ids in lists])  # (B, T)

    return {
        "input_ids": padded([row["input_ids"] for row in batch], 0),
        "labels": padded([row["labels"] for row in batch], IGNORED),
        "attention_mask": padded([[1] * len(row["input_ids"]) for row in batch], 0),
        "row_tokens": torch.tensor(sum(len(row["input_ids"]) for row in batch)),
    }
