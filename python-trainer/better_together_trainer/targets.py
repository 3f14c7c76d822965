"""Which linear layers of the decoder blocks get an adapter, and which names never can."""

from pathlib import Path

from safetensors import safe_open

from .imported import WEIGHTS

PARTS = {"attention": "self_attn", "mlp": "mlp"}
BLOCK = "model.layers.0."
# An adapter on a tied head does not load; one on the embeddings aborts the process that serves it
# (GGML_ASSERT), and one on a norm is left out without a word.
NEVER_SERVED = ("lm_head", "embed_tokens", "norm")


def linear_kinds(base: Path) -> dict[str, str]:
    """The linear layers of a block, such as q_proj, and the part that each is in, such as self_attn."""
    with safe_open(base / WEIGHTS, framework="np") as file:
        matrices = [
            name.removeprefix(BLOCK).removesuffix(".weight")
            for name in file.keys()  # noqa: SIM118 (it is no dict)
            if name.startswith(BLOCK) and len(file.get_slice(name).get_shape()) == 2
        ]
    return {kind: part for part, _, kind in (name.rpartition(".") for name in matrices)}


def chosen_kinds(targets: str | tuple[str, ...], kinds: dict[str, str]) -> list[str]:
    if targets == "all":
        return sorted(kinds)
    if isinstance(targets, str):
        return sorted(kind for kind, part in kinds.items() if part == PARTS[targets])
    return sorted(set(targets))


def refused_targets(targets: str | tuple[str, ...], kinds: dict[str, str]) -> list[str]:
    """What is wrong with the choice, in the words of a job's mistakes."""
    chosen = chosen_kinds(targets, kinds)
    known = ", ".join(sorted(kinds))
    if not chosen:
        return [f"lora.targets is {targets}, and this model has no such linear layer; it has {known}"]
    return [
        f"lora.targets names {name}, which no LoRA GGUF serves; the linear layers are {known}"
        if any(part in name for part in NEVER_SERVED)
        else f"lora.targets names {name}; the linear layers of this model are {known}"
        for name in chosen
        if name not in kinds
    ]
