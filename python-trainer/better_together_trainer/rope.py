"""Puts back what transformers' GGUF loader drops about rotary position embeddings.

Llama 3.1 and later store their RoPE scaling as the tensor `rope_freqs.weight`, others in
`<arch>.rope.scaling.*`; the loader has no entry for either and says nothing. Measured without this file: a KL
of 0.34 to the true model, the best token right 26 times in 200, and the worse the longer the prompt.
"""

from typing import Any

import numpy as np
from transformers import PreTrainedConfig

from .errors import CheckFailed
from .gguf_file import Gguf

FREQUENCIES = "rope_freqs.weight"
TWO_SETS = ("rope_factors_long.weight", "rope_factors_short.weight")
KNOWN_KEYS = {"type", "factor", "original_context_length", "finetuned"}
REMEDY = "Use a GGUF of a model without this setting; the import must not guess it."


def put_back_rope(config: PreTrainedConfig, gguf: Gguf) -> None:
    scaling = read_scaling(config, gguf)
    if scaling is None:
        return
    # Gemma 3 scales only the layers with full attention, as llama.cpp does.
    parameters = config.rope_parameters.get("full_attention", config.rope_parameters)
    parameters.update(scaling)


def read_scaling(config: PreTrainedConfig, gguf: Gguf) -> dict[str, Any] | None:
    """The scaling that llama.cpp would apply, in transformers' terms; None where it applies none."""
    if any(name in gguf.tensors for name in TWO_SETS):
        raise refused(gguf, "has two sets of RoPE factors, of which llama.cpp picks one by context size")
    prefix = f"{gguf.architecture}.rope.scaling."
    given = [name.removeprefix(prefix) for name in gguf.fields if name.startswith(prefix)]
    unknown = sorted(prefix + name for name in given if name not in KNOWN_KEYS)
    if unknown:
        raise refused(gguf, f"has the RoPE settings {', '.join(unknown)}, which are not known here")

    # The defaults are llama.cpp's: a factor without a type is linear, a missing or zero factor is 1.
    kind = gguf.setting("rope.scaling.type", "linear")
    factor = gguf.setting("rope.scaling.factor", gguf.setting("rope.scale_linear", 0.0)) or 1.0
    if FREQUENCIES in gguf.tensors and kind in ("none", "linear"):
        divisors = gguf.tensors[FREQUENCIES].as_float32()  # (head size / 2,)
        if kind == "linear":
            divisors = divisors * np.float32(factor)
        return as_divisors(divisors.tolist(), config)
    if kind == "none" or (factor == 1.0 and FREQUENCIES not in gguf.tensors):
        return None
    if kind == "linear":
        return {"rope_type": "linear", "factor": factor}
    if kind == "yarn" and FREQUENCIES not in gguf.tensors:
        original = gguf.setting("rope.scaling.original_context_length", config.max_position_embeddings)
        return {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original}
    raise refused(gguf, f"has RoPE scaling of type {kind}, which is not known here")


def as_divisors(divisors: list[float], config: PreTrainedConfig) -> dict[str, Any]:
    """Any list of frequency divisors, as the longrope that never changes sets: exact, and survives saving."""
    return {
        "rope_type": "longrope",
        "short_factor": divisors,
        "long_factor": divisors,
        "factor": 1.0,
        "attention_factor": 1.0,
        "original_max_position_embeddings": config.max_position_embeddings,
    }


def refused(gguf: Gguf, fact: str) -> CheckFailed:
    return CheckFailed("unsupported-rope", f"{gguf.path.name} {fact}.", REMEDY)
