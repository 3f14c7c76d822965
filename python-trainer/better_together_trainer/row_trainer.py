"""TRL's SFTTrainer with our loss, and with its steps counted and reported."""

import math
import time
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from torch.utils.data import Sampler
from trl import SFTTrainer

from .errors import CheckFailed
from .events import Events
from .objective import Objective, learned_tokens


class RowTrainer(SFTTrainer):
    """SFTTrainer that counts tokens and reports every step."""

    def __init__(
        self,
        *,
        events: Events,
        objective: Objective,
        held_out: Dataset,
        order: Sampler | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.events = events
        self.objective = objective
        self.held_out = held_out
        self.order = order
        self.tokens_of_step = 0
        self.supervised_tokens_of_step = 0
        self.trained_tokens = 0
        self.trained_steps = 0  # by this process
        self.started = time.monotonic()

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler:
        return self.order or super()._get_train_sampler(train_dataset)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,  # noqa: ARG002 (nobody asks for them)
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        self.tokens_of_step += int(inputs["row_tokens"])
        self.supervised_tokens_of_step += learned_tokens(inputs)
        count = self.objective.count(inputs) if num_items_in_batch is None else num_items_in_batch
        return self.objective.summed_loss(model, inputs) / count

    def get_batch_samples(self, *args: Any) -> tuple[list[dict[str, torch.Tensor]], int]:
        """The micro batches of one step, and how many items their loss is the mean of."""
        samples, _ = super().get_batch_samples(*args)
        return samples, sum(self.objective.count(sample) for sample in samples)

    @torch.no_grad()
    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The mean loss of what is held out. Nothing is drawn."""
        self.model.eval()
        size = self.args.per_device_train_batch_size
        total, count = 0.0, 0
        with self.compute_loss_context_manager():
            for start in range(0, len(self.held_out), size):
                rows = [self.held_out[index] for index in range(start, min(start + size, len(self.held_out)))]
                inputs = self._prepare_inputs(self.data_collator(rows))
                total += self.objective.summed_loss(self.model, inputs).item()
                count += self.objective.count(inputs)
        metrics = {"eval_loss": total / count}
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


def require_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        message = f"The loss of step {step} is {loss}."
        raise CheckFailed("loss-not-finite", message, "Lower the learning rate or train in float32.")
