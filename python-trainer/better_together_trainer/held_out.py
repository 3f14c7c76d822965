"""Rows that are not trained on: they say when training is over, and whose weights are handed out.

Both follow from the log of losses alone, which is in every checkpoint: nothing else has to survive a resume.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HeldOutLoss:
    step: int
    loss: float  # per learned token, or per pair


def held_out_losses(history: Sequence[dict[str, Any]]) -> list[HeldOutLoss]:
    return [HeldOutLoss(entry["step"], entry["eval_loss"]) for entry in history if "eval_loss" in entry]


def best_step(losses: Sequence[HeldOutLoss]) -> int:
    """The step with the lowest loss, ties to the earlier."""
    return min(losses, key=lambda entry: entry.loss).step


def is_out_of_patience(losses: Sequence[HeldOutLoss], patience: int) -> bool:
    """Whether so many evaluations in a row did not go below the best one."""
    return bool(losses) and sum(entry.step > best_step(losses) for entry in losses) >= patience
