"""A GGUF with its matrices as K-quants, which gguf reads and cannot write: `python tests/k_quants.py IN OUT`.

As llama-quantize does it for Q4_K_M: Q4_K, every second `ffn_down` Q6_K, and Q5_0 where a row is no multiple
of 256. Its search for the best scales is left out: each block is rounded to its own range.
"""

import argparse
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, quantize

from better_together_trainer.gguf_file import Tensor, open_gguf
from better_together_trainer.reencode import announce, copy_metadata

Encoding = GGMLQuantizationType
BLOCK = 256  # numbers that share their two scales


def quantize_q4_k(values: np.ndarray) -> np.ndarray:
    """(..., columns) -> (..., bytes): 8 parts of 32 numbers, each scale * q - minimum with q from 0 to 15."""
    parts = values.reshape(-1, 8, 32)
    minimum = np.maximum(0, -parts.min(-1))  # (blocks, 8), taken off
    scale = (parts.max(-1) + minimum) / 15
    d, scales = six_bits(scale)
    d_minimum, minimums = six_bits(minimum)
    steps, offset = d * scales, d_minimum * minimums
    q = np.clip(np.rint((parts + offset[..., None]) / nonzero(steps)[..., None]), 0, 15).astype(np.uint8)
    nibbles = q[:, 0::2] | q[:, 1::2] << 4  # (blocks, 4, 32)
    low, high = (np.stack([scales[:, half], minimums[:, half]]) for half in (slice(0, 4), slice(4, 8)))
    packed = [
        low[0] | (high[0] >> 4) << 6,
        low[1] | (high[1] >> 4) << 6,
        (high[0] & 15) | (high[1] & 15) << 4,
    ]
    blocks = [as_bytes(d), as_bytes(d_minimum), *packed, nibbles.reshape(-1, 128)]
    return np.concatenate(blocks, axis=1).reshape(*values.shape[:-1], -1)


def quantize_q6_k(values: np.ndarray) -> np.ndarray:
    """(..., columns) -> (..., bytes): 16 parts of 16 numbers, each scale * q with q from -32 to 31."""
    parts = values.reshape(-1, 16, 16)
    scale = np.abs(parts).max(-1) / 31  # (blocks, 16)
    d = (scale.max(-1, keepdims=True) / 127).astype(np.float16).astype(np.float32)
    scales = np.rint(scale / nonzero(d))
    q = np.clip(np.rint(parts / nonzero(d * scales)[..., None]), -32, 31) + 32
    rows = q.astype(np.uint8).reshape(-1, 2, 4, 32)  # two halves of 128 numbers
    low, high = rows & 15, rows >> 4
    nibbles = np.concatenate([low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], axis=-1)
    pairs = high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6
    blocks = [
        nibbles.reshape(-1, 128),
        pairs.reshape(-1, 64),
        scales.astype(np.int8).view(np.uint8),
        as_bytes(d),
    ]
    return np.concatenate(blocks, axis=1).reshape(*values.shape[:-1], -1)


def six_bits(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(blocks, 8) -> a scale for each block (blocks, 1), as it is stored, and integers from 0 to 63."""
    d = (numbers.max(-1, keepdims=True) / 63).astype(np.float16).astype(np.float32)
    return d, np.clip(np.rint(numbers / nonzero(d)), 0, 63).astype(np.uint8)


def nonzero(numbers: np.ndarray) -> np.ndarray:
    return np.where(numbers == 0, 1, numbers)


def as_bytes(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype("<f2").view(np.uint8)


# -----------------------------------------------------------------------------

ENCODERS = {Encoding.Q4_K: quantize_q4_k, Encoding.Q6_K: quantize_q6_k}


def encoding_of(tensor: Tensor) -> Encoding:
    if len(tensor.shape) == 1:
        return Encoding.F32
    if tensor.shape[-1] % BLOCK:
        return Encoding.Q5_0
    is_second_down = ".ffn_down." in tensor.name and int(tensor.name.split(".")[1]) % 2
    return Encoding.Q6_K if is_second_down else Encoding.Q4_K


def write_k_quants(source: Path, target: Path) -> None:
    gguf = open_gguf(source)
    writer = GGUFWriter(target, gguf.architecture)
    copy_metadata(gguf, writer, LlamaFileType.MOSTLY_Q4_K_M)
    for tensor in gguf.tensors.values():
        announce(tensor, encoding_of(tensor), writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in gguf.tensors.values():
        encoding = encoding_of(tensor)
        encode = ENCODERS.get(encoding)
        values = tensor.as_float32()
        writer.write_tensor_data(encode(values) if encode else quantize(values, encoding))
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    write_k_quants(options.source, options.target)
