"""TRL's SFTTrainer with our loss, and with its steps counted and reported."""

import math
import time
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from torch.nn.functional import cross_entropy
from trl import SFTTrainer

from .errors import CheckFailed
from .events import Events
from .packing import IGNORED


class RowTrainer(SFTTrainer):
    """SFTTrainer that counts tokens and reports every step."""

    def __init__(self, *, events: Events, held_out: Dataset, **options: Any) -> None:
        super().__init__(**options)
        self.events = events
        self.held_out = held_out
        self.tokens_of_step = 0
        self.supervised_tokens_of_step = 0
        self.trained_tokens = 0
        self.trained_steps = 0  # by this process
        self.started = time.monotonic()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,  # noqa: ARG002 (nobody asks for them)
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        total, learned = summed_loss(model, inputs)
        self.tokens_of_step += int(inputs["row_tokens"])
        self.supervised_tokens_of_step += learned
        # Over the whole batch, which may come in several micro batches and on several devices.
        loss = total / (learned if num_items_in_batch is None else num_items_in_batch)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        return loss

    @torch.no_grad()
    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The loss of the held-out rows' learned tokens. Nothing is drawn."""
        self.model.eval()
        size = self.args.per_device_train_batch_size
        total, learned = 0.0, 0
        with self.compute_loss_context_manager():
            for start in range(0, len(self.held_out), size):
                rows = [self.held_out[index] for index in range(start, min(start + size, len(self.held_out)))]
                loss, count = summed_loss(self.model, self._prepare_inputs(self.data_collator(rows)))
                total, learned = total + loss.item(), learned + count
        metrics = {"eval_loss": total / learned}
        require_finite(metrics["eval_loss"], self.state.global_step)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:  # of a step; the summary at the end has none
            # Into the log, because the log is in the checkpoint: sums survive a resume.
            logs["tokens"], self.tokens_of_step = self.tokens_of_step, 0
            logs["supervised_tokens"], self.supervised_tokens_of_step = self.supervised_tokens_of_step, 0
            self.report(logs)
        super().log(logs, start_time)

    def report(self, logs: dict[str, float]) -> None:
        step, steps = self.state.global_step, self.state.max_steps
        require_finite(logs["loss"], step)
        self.trained_steps += 1
        self.trained_tokens += int(logs["tokens"])
        elapsed = time.monotonic() - self.started
        self.events.emit(
            "progress",
            step=step,
            steps=steps,
            loss=logs["loss"],
            tokensPerSecond=round(self.trained_tokens / elapsed, 1),
            secondsLeft=round(elapsed / self.trained_steps * (steps - step), 1),
        )

    def create_model_card(self, *args: Any, **options: Any) -> None:
        """Writes none: the work folder holds what the job promises."""


def summed_loss(model: nn.Module, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """Cross-entropy of the learned tokens, with logits for nothing else; and how many they are.

    TRL's fused head works in chunks of 256 tokens: with thirty learned tokens a step it took 40 % of the
    time.
    """
    targets = inputs["labels"][:, 1:]  # (B, T-1): what follows each token
    places = (targets != IGNORED).any(dim=0).nonzero().flatten()  # (K,)
    seen = {name: value for name, value in inputs.items() if name not in ("labels", "row_tokens")}
    outputs = model(**seen, use_cache=False, logits_to_keep=places)
    logits = outputs.logits.float().flatten(0, 1)  # (B*K, V)
    total = cross_entropy(logits, targets[:, places].flatten(), ignore_index=IGNORED, reduction="sum")
    return total, int((targets != IGNORED).sum())


def require_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        message = f"The loss of step {step} is {loss}."
        raise CheckFailed("loss-not-finite", message, "Lower the learning rate or train in float32.")
