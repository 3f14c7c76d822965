"""What the frozen layers put out, computed once for all epochs.

Below the lowest adapter nothing changes while training: what such a layer puts out at a token depends on the
tokens up to it alone. So every distinct beginning of a row has one state, the input of the lowest layer with
an adapter. Training starts from there, and the layers below leave the model and the memory. The sums are the
same, in other groups: in float32 the losses differ by 1e-6.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from .files import require_space
from .packing import Batch, collate, packed_length

# Above this the states are mapped from a file: memory is for activations.
MEMORY_BUDGET_BYTES = 512 * 2**20
# What a chunk's rows share is computed once for each chunk, and its mask is a square.
CHUNK_TOKENS = 1024
FILE = "frozen-states.partial"


class Beginnings:
    """Numbers the distinct beginnings of rows: two rows share their numbers as far as they are equal."""

    def __init__(self, batch: Batch) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        for row in batch:
            before = -1
            for token in row["input_ids"]:
                before = self._numbers.setdefault((before, token), len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, batch: Batch) -> Batch:
        """The rows with the number of each beginning in the place of its last token's id.

        They pack just as the rows do: where numbers are equal, so are all ids up to there.
        """
        return [row | {"input_ids": list(self._along(row["input_ids"]))} for row in batch]

    def _along(self, ids: Sequence[int]) -> Iterator[int]:
        before = -1
        for token in ids:
            before = self._numbers[before, token]
            yield before


@dataclass(frozen=True)
class FrozenStates:
    """Collates rows into states of the frozen layers, in the place of ids."""

    beginnings: Beginnings
    states: torch.Tensor  # (beginnings, hidden)

    def __call__(self, batch: Batch) -> dict[str, torch.Tensor]:
        inputs = collate(self.beginnings.of(batch))
        return inputs | {"inputs_embeds": self.states[inputs.pop("input_ids")]}


class PassThrough(nn.Module):
    """In the place of a layer whose output is known: those above keep their numbers, and so their names."""

    def forward(self, hidden_states: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        return hidden_states


def draws_dropout(config: PretrainedConfig) -> bool:
    """Whether the model's own layers put out something else each time."""
    return any(
        isinstance(value, float) and value > 0
        for name, value in config.to_dict().items()
        if "dropout" in name or "pdrop" in name
    )


def states_bytes(model: PreTrainedModel, beginnings: Beginnings) -> int:
    return len(beginnings) * model.config.hidden_size * model.dtype.itemsize


def take_out_frozen_layers(
    model: PreTrainedModel, frozen: int, groups: Sequence[Batch], folder: Path
) -> FrozenStates:
    """Computes the states of all rows, and takes the lowest `frozen` layers out of the model.

    Groups are computed one after the other, and none changes a bit of those before it.
    """
    beginnings = Beginnings([row for group in groups for row in group])
    states = room_for(states_bytes(model, beginnings), model, folder)
    is_known = torch.zeros(len(beginnings), dtype=torch.bool)
    with only_layers_below(model, frozen), torch.no_grad():
        for chunk in (chunk for group in groups for chunk in chunks_of(group)):
            inputs = collate(chunk)
            seen = {name: inputs[name].to(model.device) for name in inputs.keys() - {"labels", "row_tokens"}}
            hidden = model.model(**seen, use_cache=False).last_hidden_state[0]  # (N, hidden)
            places = collate(beginnings.of(chunk))["input_ids"][0]
            is_new = ~is_known[places]
            states[places[is_new]] = hidden.to(states)[is_new]
            is_known[places] = True
    for index in range(frozen):
        model.model.layers[index] = PassThrough()
    return FrozenStates(beginnings, states)


def room_for(size: int, model: PreTrainedModel, folder: Path) -> torch.Tensor:
    """Memory, or a file that leaves the folder at once: it lives until the process ends."""
    hidden = model.config.hidden_size
    count = size // model.dtype.itemsize
    if size <= MEMORY_BUDGET_BYTES:
        return torch.empty(count, dtype=model.dtype).view(-1, hidden)
    path = folder / FILE
    require_space(path, size)
    with path.open("wb") as file:
        reserve(file.fileno(), size)
    states = torch.from_file(str(path), shared=True, size=count, dtype=model.dtype)
    path.unlink()
    return states.view(-1, hidden)


def reserve(descriptor: int, size: int) -> None:
    """Takes the file's room on the disk now: a mapped file that finds none later kills the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)


def chunks_of(batch: Batch) -> Iterator[Batch]:
    """The rows in groups that are short when packed: sorted, so that neighbours share their beginnings."""
    chunk: Batch = []
    for row in sorted(batch, key=lambda row: row["input_ids"]):
        if chunk and packed_length([*chunk, row]) > CHUNK_TOKENS:
            yield chunk
            chunk = []
        chunk.append(row)
    if chunk:
        yield chunk


@contextmanager
def only_layers_below(model: PreTrainedModel, count: int) -> Iterator[None]:
    decoder = model.model
    layers, norm = decoder.layers, decoder.norm
    decoder.layers, decoder.norm = nn.ModuleList(layers[:count]), nn.Identity()
    try:
        yield
    finally:
        decoder.layers, decoder.norm = layers, norm
