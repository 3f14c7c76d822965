"""When a training is measured, saved and ended."""

from typing import Any

from transformers import TrainerCallback

from . import checkpoints
from .held_out import held_out_losses, is_out_of_patience
from .training_run import Run


class Saving(TrainerCallback):
    """Seals each checkpoint, and ends the training when asked to, or when held-out rows get no better."""

    def __init__(self, run: Run, micro_batch: int) -> None:
        self.run = run
        self.micro_batch = micro_batch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        evaluation = self.run.job.evaluation
        if evaluation and (state.global_step % evaluation.every_steps == 0 or control.should_training_stop):
            control.should_evaluate = True
        if self.run.lifeline.is_stopping:
            control.should_save = control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        control.should_save = True  # what was measured may be what is handed out
        losses = held_out_losses(state.log_history)
        self.run.events.emit("evaluation", step=losses[-1].step, loss=losses[-1].loss)
        if is_out_of_patience(losses, self.run.job.evaluation.patience):
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        saved = checkpoints.seal(self.run.job.work_dir, state.global_step, self.micro_batch)
        checkpoints.discard_others(saved, self.run.job.keep)
        self.run.events.emit("checkpoint", step=state.global_step)
