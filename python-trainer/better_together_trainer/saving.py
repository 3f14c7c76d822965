"""When a training is saved: at its checkpoints, and after the step in which it is asked to stop."""

from typing import Any

from transformers import TrainerCallback

from . import checkpoints
from .training_run import Run


class Saving(TrainerCallback):
    """Seals each checkpoint, and ends the training after the step in which a stop arrives."""

    def __init__(self, run: Run, micro_batch: int) -> None:
        self.run = run
        self.micro_batch = micro_batch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if self.run.lifeline.is_stopping:
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        checkpoints.seal(self.run.job.work_dir, state.global_step, self.micro_batch)
        self.run.events.emit("checkpoint", step=state.global_step)
