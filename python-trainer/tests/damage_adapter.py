"""Plants a fault in a LoRA GGUF: `python tests/damage_adapter.py IN OUT FAULT`. The gates must see each.

Every fault is one that an exporter can have, and that llama.cpp loads and serves without a word.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFWriter

Tensors = dict[str, np.ndarray]


def unpermuted(tensors: Tensors, heads: int, kv_heads: int) -> Tensors:
    """q and k as torch has them: halves of a head, where llama files have neighbours."""
    rows = {".attn_q.weight.lora_b": heads, ".attn_k.weight.lora_b": kv_heads}
    return {
        name: next((halves(b, count) for end, count in rows.items() if name.endswith(end)), b)
        for name, b in tensors.items()
    }


def halves(b: np.ndarray, heads: int) -> np.ndarray:
    pairs = b.reshape(heads, b.shape[0] // heads // 2, 2, -1)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(b.shape)


def without_layer(tensors: Tensors, place: int) -> Tensors:
    """`place`: 0 for the first layer that the adapter touches, -1 for the last."""
    layer = sorted({int(name.split(".")[1]) for name in tensors})[place]
    return {name: tensor for name, tensor in tensors.items() if int(name.split(".")[1]) != layer}


def damage(source: Path, target: Path, fault: str, heads: int, kv_heads: int) -> None:
    file = GGUFReader(source)
    tensors = {tensor.name: tensor.data for tensor in file.tensors}
    alpha = file.get_field("adapter.lora.alpha").contents()
    changes: dict[str, Callable[[], Tensors]] = {
        "unpermuted": lambda: unpermuted(tensors, heads, kv_heads),
        "halved-alpha": lambda: tensors,
        "first-layer-missing": lambda: without_layer(tensors, 0),
        "last-layer-missing": lambda: without_layer(tensors, -1),
    }
    writer = GGUFWriter(target, file.get_field("general.architecture").contents())
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha / 2 if fault == "halved-alpha" else alpha)
    for name, tensor in changes[fault]().items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("fault")
    parser.add_argument("--heads", type=int, required=True)
    parser.add_argument("--kv-heads", type=int, required=True)
    options = parser.parse_args()
    damage(options.source, options.target, options.fault, options.heads, options.kv_heads)
