"""What torch says the next token is: the reference that the parity gate compares the runtime with.

Always float32, on the weights as they were imported, that is, dequantised: llama.cpp on a 4-bit file differs
from the original weights by a KL of 9e-2 and more, from its own dequantised ones by 1e-3 or so, and only that
leaves room to see a wrong adapter.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from .files import partial, publish
from .job import Probe

# The logits of one slice and their copy stay below this, however long the list of positions.
SLICE_BYTES = 128 * 2**20


@torch.inference_mode()
def write_log_probabilities(model: nn.Module, probes: Sequence[Probe], path: Path) -> None:
    """Writes log p(next token | ids up to and with the position), natural, over the whole vocabulary.

    The file is raw little-endian float32 of shape [positions of all probes in order, vocabulary].
    """
    model.eval()
    with partial(path).open("wb") as file:
        for probe in probes:
            for slice_ in log_probabilities(model, probe):
                file.write(slice_.cpu().numpy().astype("<f4", copy=False).tobytes())
    publish(path)


def log_probabilities(model: nn.Module, probe: Probe) -> Iterator[torch.Tensor]:
    """Slice after slice of a probe's positions, (P, V)."""
    device = next(model.parameters()).device
    slice_positions = max(1, SLICE_BYTES // (4 * model.config.vocab_size))
    ids = torch.tensor([probe.ids], device=device)  # (1, T)
    for positions in torch.tensor(probe.positions, device=device).split(slice_positions):  # (P,)
        logits = model(input_ids=ids, logits_to_keep=positions, use_cache=False).logits[0]  # (P, V)
        yield logits.float().log_softmax(-1)
