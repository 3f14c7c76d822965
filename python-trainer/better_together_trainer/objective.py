"""What a training makes smaller: a loss that is a mean over items, such as tokens or pairs."""

from typing import Protocol

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from .packing import IGNORED

Inputs = dict[str, torch.Tensor]
MODEL_INPUTS = ("input_ids", "inputs_embeds", "position_ids", "attention_mask")


class Objective(Protocol):
    def count(self, inputs: Inputs) -> int:
        """How many items there are in a micro batch."""

    def summed_loss(self, model: nn.Module, inputs: Inputs) -> torch.Tensor:
        """The sum over these items: the mean is over a whole batch, that is, several micro batches."""


class AnswerLoss:
    """Supervised fine-tuning: the cross-entropy of every learned token."""

    def count(self, inputs: Inputs) -> int:
        return learned_tokens(inputs)

    def summed_loss(self, model: nn.Module, inputs: Inputs) -> torch.Tensor:
        return answer_losses(model, inputs).sum()


def learned_tokens(inputs: Inputs) -> int:
    return int((inputs["labels"] != IGNORED).sum())


def answer_losses(model: nn.Module, inputs: Inputs) -> torch.Tensor:
    """Cross-entropy of the learned tokens, (L,), row after row, with logits for nothing else.

    TRL's fused head works in chunks of 256 tokens: with thirty learned tokens a step it took 40 % of the
    time.
    """
    targets = inputs["labels"][:, 1:]  # (B, T-1): what follows each token
    places = (targets != IGNORED).any(dim=0).nonzero().flatten()  # (K,)
    seen = {name: inputs[name] for name in MODEL_INPUTS if name in inputs}
    logits = model(**seen, use_cache=False, logits_to_keep=places).logits  # (B, K, V)
    learned = targets[:, places].flatten()  # (B*K,)
    losses = cross_entropy(logits.float().flatten(0, 1), learned, ignore_index=IGNORED, reduction="none")
    return losses[learned != IGNORED]
