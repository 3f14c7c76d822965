"""How far the adapter moves the model where it was not meant to: on text that is foreign to the rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from peft import PeftModel

from .job import Probe
from .reference import log_probabilities


@torch.inference_mode()
def divergence_from_base(model: PeftModel, texts: Sequence[Probe]) -> dict[str, Any]:
    """KL(base || adapted) of the next token in nats, on average over the texts' positions and at worst."""
    model.eval()
    found = torch.cat([kl for text in texts for kl in divergences(model, text)])
    return {
        "positions": len(found),
        "meanKl": found.mean().item(),
        "worstKl": found.max().item(),
    }


def divergences(model: PeftModel, text: Probe) -> Iterator[torch.Tensor]:
    with model.disable_adapter():
        bases = list(log_probabilities(model, text.ids, text.positions))
    slices = log_probabilities(model, text.ids, text.positions)
    for base, adapted in zip(bases, slices, strict=True):  # (P, V)
        yield (base.exp() * (base - adapted)).sum(-1).double()
