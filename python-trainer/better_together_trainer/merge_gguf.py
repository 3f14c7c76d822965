"""Base GGUF + LoRA GGUF -> one GGUF: W + alpha / rank * B A where the adapter is, else the base's bytes.

The adapter's tensors stand in the base's own row order (lora_gguf.py), so nothing here knows architectures.
A touched tensor is decoded, changed and encoded some rows at a time, and written before the next is read: an
8B file never needs more memory than its largest tensor. gguf cannot write K-quants, so touched tensors become
Q8_0 or F16; 4 bits would also lose much of what was trained (measured: a KL of 9e-2 where Q8_0 has 6e-4).
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quantize

from .errors import BadInput, CheckFailed
from .events import Events
from .files import gigabytes, partial, publish, require_space, sha256_of
from .gguf_file import Gguf, Tensor, open_gguf
from .job import MergeJob
from .reencode import announce, copy_metadata

BYTES_A_NUMBER = {"F16": 2, "Q8_0": 34 / 32}
OTHER_BASE = "Name the GGUF file that the adapter was trained on."


def run(job: MergeJob, events: Events) -> dict[str, Any]:
    """Writes merged.gguf; equal input gives equal bytes, on any machine."""
    started = time.monotonic()
    base, adapter = open_gguf(job.gguf), open_gguf(job.adapter)
    deltas = read_deltas(base, adapter)
    merged = job.work_dir / "merged.gguf"
    grown = sum(growth(base.tensors[name], job.encoding) for name in deltas)
    needed_bytes = job.gguf.stat().st_size + math.ceil(grown)
    events.enter(f"merge, {gigabytes(needed_bytes)} of disk")
    require_space(merged, needed_bytes)

    encoding = GGMLQuantizationType[job.encoding]
    writer = GGUFWriter(partial(merged), base.architecture)
    copy_metadata(base, writer, base.get("general.file_type"))
    for name, tensor in base.tensors.items():
        announce(tensor, encoding if name in deltas else tensor.encoding, writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, tensor in base.tensors.items():
        writer.write_tensor_data(changed(tensor, deltas[name], encoding) if name in deltas else tensor.data)
    writer.close()
    publish(merged)
    return {
        "kind": "merge",
        "sha256": sha256_of(merged),
        "bytes": merged.stat().st_size,
        "touched": len(deltas),
        "seconds": round(time.monotonic() - started, 2),
    }


def growth(tensor: Tensor, encoding: str) -> float:
    return math.prod(tensor.shape) * BYTES_A_NUMBER[encoding] - tensor.data.nbytes


# -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Delta:
    """What an adapter adds to one tensor."""

    a: np.ndarray  # (rank, columns)
    b: np.ndarray  # (rows, rank)
    scale: float

    def of(self, rows: slice) -> np.ndarray:
        """Some rows of scale * B A, rank by rank: the last bits of a matrix product depend on the machine."""
        b = self.b[rows] * np.float32(self.scale)
        total = np.zeros((len(b), self.a.shape[1]), np.float32)
        for column, row in zip(b.T, self.a, strict=True):
            total += column[:, None] * row
        return total


def changed(tensor: Tensor, delta: Delta, encoding: GGMLQuantizationType) -> np.ndarray:
    """The tensor's new bytes."""
    parts = [quantize(weights + delta.of(rows), encoding) for rows, weights in tensor.float_rows()]
    return np.concatenate([part.view(np.uint8) for part in parts])


def read_deltas(base: Gguf, adapter: Gguf) -> dict[str, Delta]:
    """By the base's tensor names; raises where the runtime would refuse the adapter."""
    if adapter.get("adapter.type") != "lora":
        raise BadInput("adapter-kind", f"{adapter.path.name} is no LoRA adapter.", "Name an adapter.gguf.")
    if adapter.architecture != base.architecture:
        fact = f"is for {adapter.architecture!r}, and the base is {base.architecture!r}"
        raise CheckFailed("other-base", f"{adapter.path.name} {fact}.", OTHER_BASE)
    alpha = adapter.get("adapter.lora.alpha", 0.0)
    deltas = {}
    for name in dict.fromkeys(name.rpartition(".lora_")[0] for name in adapter.tensors):
        a, b = (adapter.tensors.get(f"{name}.lora_{side}") for side in "ab")
        if not fits(base.tensors.get(name), a, b):
            message = f"{adapter.path.name} has no A and B for {name!r} that fit {base.path.name}."
            raise CheckFailed("other-base", message, OTHER_BASE)
        # llama.cpp takes a missing alpha, and 0, for a scale of 1.
        deltas[name] = Delta(a.as_float32(), b.as_float32(), alpha / a.shape[0] if alpha else 1.0)
    return deltas


def fits(weight: Tensor | None, a: Tensor | None, b: Tensor | None) -> bool:
    if weight is None or a is None or b is None or len(weight.shape) != 2:
        return False
    return weight.shape == (b.shape[0], a.shape[1]) and a.shape[0] == b.shape[1]
