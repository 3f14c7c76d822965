"""PEFT LoRA -> LoRA GGUF, for what llama.cpp's `--lora` and node-llama-cpp read.

A LoRA GGUF is the base's architecture, `adapter.lora.alpha`, and for each touched matrix W (out, in) the pair
`<name>.lora_a` (rank, in) and `<name>.lora_b` (out, rank), exactly PEFT's tensors. The runtime serves
W + alpha / rank * B A. Two things go wrong in silence, and both are checked here instead of assumed:

 - llama-architecture files interleave the rows of q and k for their RoPE, so B's rows must follow. Which rows
   do, is found by comparing the trained weight with the base's; that also catches an adapter of another base.
 - PEFT has options that the format cannot say. They are refused by name.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter, TensorNameMap, get_tensor_name_map
from gguf.constants import MODEL_ARCH_NAMES

from .errors import CheckFailed
from .files import partial, publish
from .gguf_file import Gguf

# Relative. An import is exact, in bfloat16 it is off by 2e-3; another model, or other rows, by 1 and more.
TOLERANCE = 1e-2
# The same for weights from before a file was quantised: Q4_0 moves them by 0.1, other models differ by 1.4.
FOLDER_TOLERANCE = 0.2
LORA_TENSOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


@dataclass(frozen=True)
class Target:
    """A matrix that the adapter touches."""

    module: str  # model.layers.3.self_attn.q_proj
    tensor: str  # blk.3.attn_q.weight
    interleaved_heads: int | None  # None: the GGUF has torch's rows
    mismatch: float  # relative difference of the trained base weight and the GGUF's, rows in order


def gguf_names(architecture: str, layers: int) -> TensorNameMap:
    """torch module names -> GGUF tensor names."""
    known = {name: arch for arch, name in MODEL_ARCH_NAMES.items()}
    return get_tensor_name_map(known[architecture], layers)


def interleave_rows(weight: np.ndarray, heads: int) -> np.ndarray:
    """torch rotates halves of a head, ggml's llama neighbours: (heads, 2, d/2) -> (heads, d/2, 2)."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


# -----------------------------------------------------------------------------
# Which matrices, and in which row order.


def match_targets(
    modules: list[str],
    gguf: Gguf,
    config: dict[str, Any],
    trained_weight: Callable[[str], np.ndarray],
    tolerance: float = TOLERANCE,
) -> list[Target]:
    """Finds each module's tensor in the base, and the row order that makes them equal; raises CheckFailed."""
    names = gguf_names(gguf.architecture, config["num_hidden_layers"])
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    return [
        match_target(
            module, names, gguf, heads.get(module.rpartition(".")[2]), trained_weight(module), tolerance
        )
        for module in modules
    ]


def match_target(
    module: str,
    names: TensorNameMap,
    gguf: Gguf,
    heads: int | None,
    weight: np.ndarray,
    tolerance: float,
) -> Target:
    name = names.get_name(module)
    tensor = gguf.tensors.get(f"{name}.weight")
    # Only the matrices of the blocks go through the multiplications that see an adapter. An adapter on a tied
    # head does not load; one on the embeddings aborts the whole Node process (GGML_ASSERT).
    if tensor is None or not name.startswith("blk.") or name.endswith("_norm"):
        raise CheckFailed(
            "adapter-target",
            f"The adapter touches {module}, and {gguf.path.name} has no matrix there that llama.cpp adapts.",
            "Train only the linear layers of the decoder blocks.",
        )
    base = tensor.as_float32()
    if base.shape != weight.shape:
        raise other_weights(module, gguf, f"have shape {weight.shape}, not {base.shape}")

    orders = {None: weight} | ({heads: interleave_rows(weight, heads)} if heads else {})
    mismatches = {order: relative_difference(rows, base) for order, rows in orders.items()}
    best = min(mismatches, key=mismatches.get)
    if not mismatches[best] <= tolerance:  # also for a NaN
        raise other_weights(module, gguf, f"differ by {mismatches[best]:.2g}, more than {tolerance:g}")
    fitting = [order for order, mismatch in mismatches.items() if mismatch <= tolerance]
    if len(fitting) > 1 and not np.array_equal(orders[None], orders[heads]):
        message = f"The weights of {module} fit {gguf.path.name} in two row orders, so B's order is unknown."
        raise CheckFailed("adapter-target", message, "Use a base whose q and k weights are not all alike.")
    return Target(module, f"{name}.weight", best, mismatches[best])


def relative_difference(weight: np.ndarray, base: np.ndarray) -> float:
    return float(np.linalg.norm(weight - base) / max(np.linalg.norm(base), np.finfo(np.float32).tiny))


def other_weights(module: str, gguf: Gguf, fact: str) -> CheckFailed:
    return CheckFailed(
        "weights-mismatch",
        f"The weights that {module} is trained on {fact} from those in {gguf.path.name}.",
        "Train on the folder that was imported from this very GGUF.",
    )


# -----------------------------------------------------------------------------
# What the format can say.


def check_exportable(lora: dict[str, Any]) -> None:
    """Refuses, by its adapter_config.json, an adapter that llama.cpp would apply wrongly or not at all."""
    never = (
        "use_dora", "use_qalora", "use_bdlora", "lora_bias", "modules_to_save", "rank_pattern",
        "alpha_pattern", "trainable_token_indices", "target_parameters", "layer_replication",
        "fan_in_fan_out", "alora_invocation_tokens", "monteclora_config", "velora_config",
    )  # fmt: skip
    refused = [f"{option}={lora[option]!r}" for option in never if lora.get(option)]
    if lora.get("peft_type", "LORA") != "LORA":
        refused.append(f"peft_type={lora['peft_type']!r}")
    if lora.get("bias", "none") != "none":
        refused.append(f"bias={lora['bias']!r}")
    if not lora.get("lora_alpha"):
        refused.append(f"lora_alpha={lora.get('lora_alpha')!r} (llama.cpp takes 0 for a scale of 1)")
    if refused:
        message = f"A LoRA GGUF cannot say {', '.join(refused)}."
        hint = "Train a plain LoRA: A and B, one rank and one alpha for all."
        raise CheckFailed("adapter-option", message, hint)


def runtime_alpha(lora: dict[str, Any]) -> float:
    """llama.cpp scales by alpha / rank; rank-stabilised LoRA by alpha / sqrt(rank)."""
    return lora["lora_alpha"] * (math.sqrt(lora["r"]) if lora.get("use_rslora") else 1.0)


def write_lora_gguf(
    path: Path,
    *,
    architecture: str,
    lora: dict[str, Any],
    targets: list[Target],
    adapter: dict[str, np.ndarray],
) -> None:
    """Writes the adapter's float32 tensors; equal input gives equal bytes. Raises CheckFailed."""
    check_exportable(lora)
    check_adapter_tensors(adapter, lora["r"], targets)
    writer = GGUFWriter(partial(path), architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", runtime_alpha(lora))
    for target in targets:
        a = adapter[f"base_model.model.{target.module}.lora_A.weight"]  # (rank, in)
        b = adapter[f"base_model.model.{target.module}.lora_B.weight"]  # (out, rank)
        if target.interleaved_heads:
            b = interleave_rows(b, target.interleaved_heads)
        writer.add_tensor(f"{target.tensor}.lora_a", np.ascontiguousarray(a, dtype=np.float32))
        writer.add_tensor(f"{target.tensor}.lora_b", np.ascontiguousarray(b, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    publish(path)


def adapter_modules(adapter: dict[str, Any]) -> list[str]:
    """The modules that an adapter touches, in the order of its tensors' names."""
    matches = [LORA_TENSOR.fullmatch(name) for name in sorted(adapter)]
    return list(dict.fromkeys(match["module"] for match in matches if match))


def check_adapter_tensors(adapter: dict[str, np.ndarray], rank: int, targets: list[Target]) -> None:
    foreign = sorted(name for name in adapter if not LORA_TENSOR.fullmatch(name))
    if foreign:
        message = f"The adapter has tensors other than A and B: {', '.join(foreign[:3])}."
        raise CheckFailed("adapter-option", message, "Train a plain LoRA: llama.cpp ignores everything else.")
    sides = [f"base_model.model.{target.module}.lora_{side}.weight" for target in targets for side in "AB"]
    if adapter.keys() != set(sides):
        message = f"The adapter has {len(adapter)} tensors that are not an A and a B for each target."
        raise CheckFailed("adapter-tensors", message, "Train again.")
    for name, tensor in adapter.items():
        if tensor.shape[0 if ".lora_A." in name else 1] != rank:
            message = f"{name} has shape {tensor.shape}; the adapter's rank is {rank}."
            raise CheckFailed("adapter-tensors", message, "Train again.")
        if not np.isfinite(tensor).all():
            message = f"{name} has numbers that are not finite."
            raise CheckFailed("adapter-tensors", message, "The training diverged; lower the learning rate.")
