"""Direct preference optimisation (Rafailov et al., 2023): of two answers, one is to gain on the other.

What counts is how much more probable each became than it was when training began; TRL's DPOTrainer does the
same with a copy of the start adapter. It is not used here because it takes text and no ids, and lays each
prompt out twice: ours goes through the packed rows, where all answers of a micro batch share one prompt.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from datasets import Dataset
from torch import nn
from torch.nn.functional import logsigmoid

from .objective import Inputs, answer_losses
from .packing import IGNORED, Batch

Collate = Callable[[Batch], Inputs]
REFERENCE = "reference"  # the column with the two log-probabilities of a pair when training began


@dataclass(frozen=True)
class PreferenceLoss:
    beta: float

    def count(self, inputs: Inputs) -> int:
        return len(inputs[REFERENCE])

    def summed_loss(self, model: nn.Module, inputs: Inputs) -> torch.Tensor:
        gains = pair_log_probabilities(model, inputs) - inputs[REFERENCE]  # (P, 2)
        return -logsigmoid(self.beta * (gains[:, 0] - gains[:, 1])).sum()


@dataclass(frozen=True)
class PairCollator:
    """Pairs as rows of one batch: chosen, rejected, chosen, rejected and so on."""

    collate: Collate

    def __call__(self, pairs: Batch) -> Inputs:
        inputs = self.collate(answers_of(pairs))
        known = [pair[REFERENCE] for pair in pairs if REFERENCE in pair]
        return inputs | ({REFERENCE: torch.tensor(known)} if known else {})


def answers_of(pairs: Batch) -> Batch:
    return [
        {"input_ids": pair[f"{side}input_ids"], "labels": pair[f"{side}labels"]}
        for pair in pairs
        for side in ("", "rejected_")
    ]


def pair_log_probabilities(model: nn.Module, inputs: Inputs) -> torch.Tensor:
    """log p(answer | prompt) of the chosen and the rejected answer of each pair, (P, 2)."""
    losses = answer_losses(model, inputs)  # (L,)
    rows = row_of_each_learned_token(inputs["labels"])  # (L,)
    sums = losses.new_zeros(int(rows[-1]) + 1).index_add(0, rows, -losses)
    return sums.view(-1, 2)


def row_of_each_learned_token(labels: torch.Tensor) -> torch.Tensor:
    """Counts answers: each is one run of learned tokens, with its prompt's last token in front of it."""
    learned = (labels != IGNORED).flatten()
    begins = learned & ~learned.roll(1)
    return (begins.cumsum(0) - 1)[learned]


@torch.no_grad()
def with_reference(pairs: Dataset, model: nn.Module, collate: Collate, micro_batch: int) -> Dataset:
    """The pairs with what the model says of their answers now, before the first step."""
    model.eval()
    device = next(model.parameters()).device
    found: list[list[float]] = []
    for start in range(0, len(pairs), micro_batch):
        batch = [pairs[index] for index in range(start, min(start + micro_batch, len(pairs)))]
        inputs = {name: value.to(device) for name, value in collate(batch).items()}
        found += pair_log_probabilities(model, inputs).tolist()
    return pairs.add_column(REFERENCE, found)
