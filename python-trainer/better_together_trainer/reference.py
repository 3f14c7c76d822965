"""What torch says the next token is: the reference that the parity gate compares the runtime with.

Always float32, on the weights as they were imported, that is, dequantised: llama.cpp on a 4-bit file differs
from the original weights by a KL of 9e-2 and more, from its own dequantised ones by 1e-3 or so, and only that
leaves room to see a wrong adapter.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .files import partial, publish, write_json
from .job import Probe
from .rows import Row

# The logits of one slice and their copy stay below this, however long the list of positions.
SLICE_BYTES = 128 * 2**20


RESCORED_ROWS = 6


def write_log_probabilities(model: nn.Module, probes: Sequence[Probe], path: Path) -> None:
    """Writes log p(next token | ids up to and with the position), natural, over the whole vocabulary.

    The file is raw little-endian float32 of shape [positions of all probes in order, vocabulary].
    """
    with partial(path).open("wb") as file:
        for probe in probes:
            for rows in log_probabilities(model, probe.ids, probe.positions):  # (P, V)
                file.write(rows.cpu().numpy().astype("<f4", copy=False).tobytes())
    publish(path)


def write_rescored_rows(model: nn.Module, rows: Sequence[Row], path: Path) -> None:
    """Writes some of the rows, as they were trained on, with log p of each token of their completions."""
    count = min(RESCORED_ROWS, len(rows))
    places = [index * len(rows) // count for index in range(count)]
    write_json(path, [rescored(model, rows[place], place) for place in places])


def rescored(model: nn.Module, row: Row, place: int) -> dict[str, Any]:
    ids = (row.prompt_ids + row.completion_ids)[:-1]
    first = len(row.prompt_ids) - 1  # what stands there is followed by the completion
    completion = torch.tensor(row.completion_ids)
    scores = torch.cat([part.cpu() for part in log_probabilities(model, ids, range(first, len(ids)))])
    return {
        "row": place,
        "promptIds": row.prompt_ids,
        "completionIds": row.completion_ids,
        "logProbabilities": scores.gather(1, completion[:, None]).flatten().tolist(),
    }


@torch.inference_mode()
def log_probabilities(
    model: nn.Module, ids: Sequence[int], positions: Sequence[int]
) -> Iterator[torch.Tensor]:
    """The distributions (positions, vocabulary) of the next token, some positions at a time."""
    model.eval()
    device = next(model.parameters()).device
    slice_positions = max(1, SLICE_BYTES // (4 * model.config.vocab_size))
    batch = torch.tensor([ids], device=device)  # (1, T)
    for places in torch.tensor(positions, device=device).split(slice_positions):  # (P,)
        logits = model(input_ids=batch, logits_to_keep=places, use_cache=False).logits[0]  # (P, V)
        yield logits.float().log_softmax(-1)
