"""What every part of a training needs: the job, its inputs, and whom to tell."""

from dataclasses import dataclass, field

from .clock import Clock
from .events import Events
from .job import SftJob
from .lifeline import Lifeline
from .prepare import SftInputs


@dataclass(frozen=True)
class Run:
    """One training job under way."""

    job: SftJob
    inputs: SftInputs
    events: Events
    lifeline: Lifeline
    clock: Clock = field(default_factory=Clock)
