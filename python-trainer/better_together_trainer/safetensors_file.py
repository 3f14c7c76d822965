"""A safetensors file written one tensor at a time: the library's own writer wants all of them in memory.

The file: the header's length (8 bytes, little-endian), the header (JSON: dtype, shape and place of each
tensor), then the tensors one behind the other.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
ALIGNMENT = 8


def write_safetensors(
    path: Path,
    shapes: dict[str, tuple[int, ...]],
    dtype: torch.dtype,
    tensor: Callable[[str], torch.Tensor],
) -> None:
    """Asks `tensor` for each name in turn and holds none of them longer than it takes to write it."""
    header = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": DTYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            file.write(as_bytes(tensor(name).to(dtype), shape))


def as_bytes(tensor: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
    assert tuple(tensor.shape) == shape, (
        f"a tensor of shape {tuple(tensor.shape)}, where {shape} was announced"
    )
    return tensor.contiguous().view(torch.uint8).numpy()
