"""How rows become batches: packed where that is exact, behind the frozen layers where those are constant."""

from collections.abc import Callable

import torch
from transformers import PretrainedConfig, PreTrainedModel

from .files import gigabytes
from .frozen_layers import (
    MEMORY_BUDGET_BYTES,
    Beginnings,
    draws_dropout,
    states_bytes,
    take_out_frozen_layers,
)
from .gguf_file import ARCHITECTURES
from .job import Training
from .length_groups import LengthGroups
from .model import TORCH_DEVICES
from .packing import LONGEST, Batch, collate, packed_length, pad
from .training_run import Run

Collate = Callable[[Batch], dict[str, torch.Tensor]]


def collator_for(run: Run, base: PreTrainedModel, rows: Batch, held_out: Batch) -> Collate:
    """The collator for these rows; takes layers out of the base whose output it hands out from then on."""
    if not packs(base.config, [*rows, *held_out]):
        return pad
    frozen = frozen_layers(run, base.config)
    return frozen_states(run, base, frozen, (rows, held_out)) if frozen else collate


def order_of(config: PretrainedConfig, batch: Batch, training: Training, seed: int) -> LengthGroups | None:
    """By length where some batch has to be padded; None for the usual shuffling."""
    longest = sorted(batch, key=lambda row: len(row["input_ids"]))[-training.micro_batch :]
    if packs(config, batch) and packed_length(longest) <= LONGEST:
        return None
    return LengthGroups([len(row["input_ids"]) for row in batch], training.batch, seed)


def packs(config: PretrainedConfig, batch: Batch) -> bool:
    """Whether one mask is right for all layers: not where some see only a window of the past, and a row is
    longer than that.
    """
    has_window = getattr(config, "use_sliding_window", True) and getattr(config, "sliding_window", None)
    return not has_window or max(len(row["input_ids"]) for row in batch) <= config.sliding_window


def frozen_layers(run: Run, config: PretrainedConfig) -> int:
    """How many layers are computed but once for each row; 0 where that is not exact, or does not pay."""
    training, layers = run.job.training, config.num_hidden_layers
    frozen = layers - (run.job.lora.top_layers or layers)
    is_known = run.inputs.gguf.architecture in ARCHITECTURES and not draws_dropout(config)
    sees_every_row = training.steps * training.batch >= len(run.inputs.rows)
    return frozen if is_known and sees_every_row else 0


def frozen_states(run: Run, base: PreTrainedModel, frozen: int, groups: tuple[Batch, Batch]) -> Collate:
    size = states_bytes(base, Beginnings([row for group in groups for row in group]))
    place = "memory" if size <= MEMORY_BUDGET_BYTES else "a file"
    run.events.enter(f"computing {frozen} frozen layers once: {gigabytes(size)} in {place}")
    device = TORCH_DEVICES[run.job.device]
    autocasts = run.job.training.precision == "autocast-bf16"
    with torch.autocast(device, dtype=torch.bfloat16, enabled=autocasts):
        states = take_out_frozen_layers(base.to(device), frozen, groups, run.job.work_dir)
    run.clock.lap("frozen layers")
    return states
