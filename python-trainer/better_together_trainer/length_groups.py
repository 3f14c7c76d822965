"""Batches of rows of like lengths, for rows that go side by side: what is padded is computed for nothing."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class LengthGroups(Sampler[int]):
    """Every row once an epoch; seed and epoch decide the order, so that a resumed epoch is the same one.

    transformers' own LengthGroupedSampler draws from the global stream, sorts within a quarter of the rows at
    best, and starts each epoch with its longest rows.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths = lengths
        self.batch = batch
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        draw = torch.Generator().manual_seed((self.seed << 20) + self.epoch)
        shuffled = torch.randperm(len(self), generator=draw).tolist()
        rows = sorted(shuffled, key=self.lengths.__getitem__)  # stable: equal lengths stay shuffled
        whole, rest = divmod(len(rows), self.batch)
        # The batch that is not full comes last, and takes its rows from anywhere: not always the longest.
        cut = int(torch.randint(whole + 1, (1,), generator=draw)) * self.batch
        last = rows[cut : cut + rest]
        rows = rows[:cut] + rows[cut + rest :]
        for place in torch.randperm(whole, generator=draw).tolist():
            yield from rows[place * self.batch : (place + 1) * self.batch]
        yield from last
