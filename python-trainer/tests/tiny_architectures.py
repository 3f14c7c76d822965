"""The tiny model in other architectures: `python tests/tiny_architectures.py FOLDER` writes all.

Each has what sets its architecture apart: tensors of its own (biases, norms of heads, fused matrices), heads
wider than the embedding divided by their number, windows, tied or untied heads, and one way to scale RoPE.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tiny_model import (
    CONTEXT,
    EMBEDDING,
    FEED_FORWARD,
    HEAD,
    HEADS,
    KV_HEADS,
    LAYERS,
    random_weights,
    write_tiny_model,
)

from better_together_trainer.reencode import reencode

WIDE_HEAD = 32  # not EMBEDDING / HEADS
WINDOW = 32  # tokens a position sees, itself among them
ROTATED = 12  # of the HEAD numbers of a head
ALL_KINDS_OF_LAYERS = 6  # Gemma 3 has five layers with a window before one without
# As in Llama 3.1: fast frequencies stay, slow ones are divided.
DIVISORS = np.array([1, 1, 1, 1.5, 2.7, 5, 8, 8], np.float32)

Tensors = dict[str, np.ndarray]


class Draw:
    """Random tensors, one stream for each file."""

    def __init__(self, name: str, seed: int) -> None:
        self._random = np.random.default_rng([seed, *name.encode()])

    def matrix(self, rows: int, columns: int, gain: float) -> np.ndarray:
        values = self._random.standard_normal((rows, columns), dtype=np.float32)
        return values * np.float32(gain / columns**0.5)

    def vector(self, size: int, *, mean: float) -> np.ndarray:
        """A norm's weights (mean 1) or a bias (mean 0)."""
        return (mean + 0.2 * self._random.standard_normal(size)).astype(np.float32)


def blocks(layers: int, block: Callable[[], Tensors]) -> Tensors:
    return {f"blk.{layer}.{name}": tensor for layer in range(layers) for name, tensor in block().items()}


def attention(draw: Draw, head: int = HEAD) -> Tensors:
    return {
        "attn_norm.weight": draw.vector(EMBEDDING, mean=1),
        "attn_q.weight": draw.matrix(HEADS * head, EMBEDDING, 1.5),
        "attn_k.weight": draw.matrix(KV_HEADS * head, EMBEDDING, 1.5),
        "attn_v.weight": draw.matrix(KV_HEADS * head, EMBEDDING, 1.0),
        "attn_output.weight": draw.matrix(EMBEDDING, HEADS * head, 1.0),
    }


def biases(draw: Draw) -> Tensors:
    sizes = {"attn_q": HEADS * HEAD, "attn_k": KV_HEADS * HEAD, "attn_v": KV_HEADS * HEAD}
    return {f"{name}.bias": draw.vector(size, mean=0) for name, size in sizes.items()}


def head_norms(draw: Draw, head: int) -> Tensors:
    return {f"attn_{side}_norm.weight": draw.vector(head, mean=1) for side in "qk"}


def feed_forward(draw: Draw) -> Tensors:
    return {
        "ffn_norm.weight": draw.vector(EMBEDDING, mean=1),
        "ffn_gate.weight": draw.matrix(FEED_FORWARD, EMBEDDING, 1.0),
        "ffn_up.weight": draw.matrix(FEED_FORWARD, EMBEDDING, 1.0),
        "ffn_down.weight": draw.matrix(EMBEDDING, FEED_FORWARD, 1.0),
    }


def norms_after(draw: Draw) -> Tensors:
    names = ("post_attention_norm.weight", "post_ffw_norm.weight")
    return {name: draw.vector(EMBEDDING, mean=1) for name in names}


def fused(draw: Draw) -> Tensors:
    return {
        "attn_norm.weight": draw.vector(EMBEDDING, mean=1),
        "attn_qkv.weight": draw.matrix((HEADS + 2 * KV_HEADS) * HEAD, EMBEDDING, 1.4),
        "attn_output.weight": draw.matrix(EMBEDDING, HEADS * HEAD, 1.0),
        "ffn_norm.weight": draw.vector(EMBEDDING, mean=1),
        "ffn_up.weight": draw.matrix(2 * FEED_FORWARD, EMBEDDING, 1.0),
        "ffn_down.weight": draw.matrix(EMBEDDING, FEED_FORWARD, 1.0),
    }


def factors(size: int) -> Tensors:
    """Two sets for RoPE; which one is used depends on the context."""
    short = np.linspace(1, 2, size, dtype=np.float32)
    return {"rope_factors_short.weight": short, "rope_factors_long.weight": short * 3}


@dataclass(frozen=True)
class Tiny:
    """A file to write. Keys without a dot at their front are the architecture's own."""

    architecture: str
    block: Callable[[Draw], Tensors]
    layers: int = LAYERS
    has_head: bool = False  # else it shares the embeddings
    metadata: dict[str, float | int | str] = field(default_factory=dict)
    tensors: Tensors = field(default_factory=dict)


TINY = {
    "llama": Tiny(
        "llama",
        lambda draw: attention(draw) | feed_forward(draw),
        has_head=True,
        tensors={"rope_freqs.weight": DIVISORS},
    ),
    "mistral": Tiny(
        "llama",
        lambda draw: attention(draw) | feed_forward(draw),
        has_head=True,
        metadata={".general.name": "mistral", "attention.sliding_window": WINDOW},
    ),
    "llama-yarn": Tiny(
        "llama",
        lambda draw: attention(draw) | feed_forward(draw),
        metadata={
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 8.0,
            "rope.scaling.original_context_length": CONTEXT // 8,
            "rope.scaling.attn_factor": 1.1,
            "rope.scaling.yarn_beta_fast": 32.0,
            "rope.scaling.yarn_beta_slow": 1.0,
        },
    ),
    "qwen2": Tiny("qwen2", lambda draw: attention(draw) | biases(draw) | feed_forward(draw)),
    "qwen3": Tiny(
        "qwen3",
        lambda draw: attention(draw, WIDE_HEAD) | head_norms(draw, WIDE_HEAD) | feed_forward(draw),
        has_head=True,
        metadata={
            "attention.key_length": WIDE_HEAD,
            "attention.value_length": WIDE_HEAD,
            "rope.dimension_count": WIDE_HEAD,
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 4.0,
            "rope.scaling.original_context_length": CONTEXT // 4,
        },
    ),
    "gemma3": Tiny(
        "gemma3",
        lambda draw: (
            attention(draw, WIDE_HEAD) | head_norms(draw, WIDE_HEAD) | feed_forward(draw) | norms_after(draw)
        ),
        layers=ALL_KINDS_OF_LAYERS,
        metadata={
            "attention.key_length": WIDE_HEAD,
            "attention.value_length": WIDE_HEAD,
            "rope.dimension_count": WIDE_HEAD,
            "rope.freq_base": 1e6,
            "rope.scaling.type": "linear",
            "rope.scaling.factor": 8.0,
            "attention.sliding_window": WINDOW,
        },
    ),
    "phi3": Tiny(
        "phi3",
        fused,
        has_head=True,
        metadata={
            "rope.scaling.original_context_length": CONTEXT // 2,
            "rope.scaling.attn_factor": 1.19,
            "attention.sliding_window": WINDOW,
        },
        tensors=factors(HEAD // 2),
    ),
    "phi3-partial": Tiny("phi3", fused, metadata={"rope.dimension_count": ROTATED}),
    # Not on the importer's list: behind a flag.
    "gemma2": Tiny(
        "gemma2",
        lambda draw: attention(draw, WIDE_HEAD) | feed_forward(draw) | norms_after(draw),
        metadata={
            "attention.key_length": WIDE_HEAD,
            "attention.value_length": WIDE_HEAD,
            "rope.dimension_count": WIDE_HEAD,
            "attention.sliding_window": WINDOW,
        },
    ),
}


def write_tiny(path: Path, name: str, *, seed: int = 0) -> Tensors:
    """Writes the file and returns its tensors as they were written."""
    tiny, draw = TINY[name], Draw(name, seed)
    embeddings = random_weights(seed)["token_embd.weight"]
    weights = {"token_embd.weight": embeddings, **blocks(tiny.layers, lambda: tiny.block(draw))}
    weights["output_norm.weight"] = draw.vector(EMBEDDING, mean=1)
    if tiny.has_head:
        weights["output.weight"] = draw.matrix(len(embeddings), EMBEDDING, 2.0)
    own = {"block_count": tiny.layers, **tiny.metadata}
    metadata = {
        key[1:] if key.startswith(".") else f"{tiny.architecture}.{key}": value for key, value in own.items()
    }
    return write_tiny_model(
        path,
        architecture=tiny.architecture,
        extra_metadata=metadata,
        extra_tensors=tiny.tensors,
        weights=weights,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    for tiny_name in TINY:
        file = options.folder / f"{tiny_name}.gguf"
        write_tiny(file, tiny_name)
        for encoding in ("Q8_0", "Q4_0"):
            reencode(file, file.with_stem(f"{tiny_name}-{encoding}"), encoding)
