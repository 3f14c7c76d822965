"""The adapter file does at run time what the adapter did in training, or is not written."""

from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from tiny_model import HEAD, HEADS, KV_HEADS, LAYERS, write_tiny_model

from better_together_trainer.errors import CheckFailed
from better_together_trainer.gguf_file import Gguf, open_gguf
from better_together_trainer.lora_gguf import (
    Target,
    adapter_modules,
    check_exportable,
    interleave_rows,
    match_targets,
    write_lora_gguf,
)

RANK = 4
LORA = {"peft_type": "LORA", "r": RANK, "lora_alpha": 8, "bias": "none", "use_rslora": False}
CONFIG = {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS}
QUERY, KEY, VALUE = (f"model.layers.1.self_attn.{kind}_proj" for kind in "qkv")
DOWN = "model.layers.1.mlp.down_proj"
TENSORS = {QUERY: "blk.1.attn_q", KEY: "blk.1.attn_k", VALUE: "blk.1.attn_v", DOWN: "blk.1.ffn_down"}
HEADS_OF = {QUERY: HEADS, KEY: KV_HEADS}


@pytest.fixture(scope="module")
def opened(gguf: Path) -> Gguf:
    return open_gguf(gguf)


def torch_weight(opened: Gguf, module: str) -> np.ndarray:
    """The weight as torch has it: q and k rows in halves."""
    weight = opened.tensors[f"{TENSORS[module]}.weight"].as_float32()
    heads = HEADS_OF.get(module)
    if heads is None:
        return weight
    return weight.reshape(heads, HEAD // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def adapter_for(opened: Gguf, modules: list[str], seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    adapter = {}
    for module in modules:
        rows, columns = torch_weight(opened, module).shape
        prefix = f"base_model.model.{module}"
        adapter[f"{prefix}.lora_A.weight"] = random.standard_normal((RANK, columns), dtype=np.float32)
        adapter[f"{prefix}.lora_B.weight"] = random.standard_normal((rows, RANK), dtype=np.float32)
    return adapter


def write(path: Path, opened: Gguf, modules: list[str], lora: dict = LORA) -> list[Target]:
    adapter = adapter_for(opened, modules)
    targets = match_targets(
        adapter_modules(adapter), opened, CONFIG, lambda module: torch_weight(opened, module)
    )
    write_lora_gguf(path, architecture="llama", lora=lora, targets=targets, adapter=adapter)
    return targets


# -----------------------------------------------------------------------------


@pytest.mark.parametrize("rank_stabilised", [False, True])
def test_the_runtime_gets_the_weights_that_were_trained(
    tmp_path: Path, opened: Gguf, rank_stabilised: bool
) -> None:
    modules = [QUERY, KEY, VALUE, DOWN]
    targets = write(tmp_path / "a.gguf", opened, modules, LORA | {"use_rslora": rank_stabilised})
    adapter = adapter_for(opened, modules)
    scale = 8 / (RANK**0.5 if rank_stabilised else RANK)

    file = GGUFReader(tmp_path / "a.gguf")
    alpha = file.get_field("adapter.lora.alpha").contents()
    tensors = {tensor.name: tensor.data for tensor in file.tensors}
    for module, name in TENSORS.items():
        prefix = f"base_model.model.{module}"
        delta = scale * adapter[f"{prefix}.lora_B.weight"] @ adapter[f"{prefix}.lora_A.weight"]
        trained = torch_weight(opened, module) + delta
        # As llama.cpp computes it, in the base's own row order.
        a, b = tensors[f"{name}.weight.lora_a"], tensors[f"{name}.weight.lora_b"]
        served = opened.tensors[f"{name}.weight"].as_float32() + alpha / len(a) * b @ a
        expected = interleave_rows(trained, HEADS_OF[module]) if module in HEADS_OF else trained
        np.testing.assert_allclose(served, expected, atol=1e-4)
    assert {target.module: target.interleaved_heads for target in targets} == {
        QUERY: HEADS, KEY: KV_HEADS, VALUE: None, DOWN: None,
    }  # fmt: skip
    assert {target.mismatch for target in targets} == {0.0}


def test_the_header_is_what_llama_cpp_asks_for(tmp_path: Path, opened: Gguf) -> None:
    write(tmp_path / "a.gguf", opened, [QUERY])

    file = GGUFReader(tmp_path / "a.gguf")
    fields = {name: file.get_field(name).contents() for name in file.fields if not name.startswith("GGUF.")}
    assert fields == {
        "general.architecture": "llama",
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": 8.0,
    }
    assert {tensor.tensor_type.name for tensor in file.tensors} == {"F32"}


def test_equal_adapters_give_equal_bytes(tmp_path: Path, opened: Gguf) -> None:
    for name in ("one.gguf", "two.gguf"):
        write(tmp_path / name, opened, [DOWN, QUERY])

    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


def test_a_base_without_row_permutation_is_seen_as_such(opened: Gguf) -> None:
    """As in qwen and gemma files: there q and k have torch's rows."""
    as_in_file = opened.tensors["blk.1.attn_q.weight"].as_float32()
    (target,) = match_targets([QUERY], opened, CONFIG, lambda _: as_in_file)

    assert (target.interleaved_heads, target.mismatch) == (None, 0.0)


# -----------------------------------------------------------------------------


@pytest.mark.parametrize("module", [QUERY, VALUE])
def test_an_adapter_for_another_base_is_refused(tmp_path: Path, opened: Gguf, module: str) -> None:
    write_tiny_model(tmp_path / "other.gguf", seed=9)
    other = open_gguf(tmp_path / "other.gguf")

    with pytest.raises(CheckFailed, match=r"differ by 1\.") as refused:
        match_targets([module], opened, CONFIG, lambda name: torch_weight(other, name))
    assert refused.value.code == "weights-mismatch"


def test_rows_in_an_order_that_is_neither_are_refused(opened: Gguf) -> None:
    reversed_rows = torch_weight(opened, QUERY)[::-1]

    with pytest.raises(CheckFailed, match="differ by"):
        match_targets([QUERY], opened, CONFIG, lambda _: reversed_rows)


def test_weights_that_fit_in_both_orders_are_refused(tmp_path: Path) -> None:
    """Then nothing says how B's rows stand."""
    alike = np.ones((HEADS * HEAD, 64), np.float16) * np.linspace(1, 1.01, HEADS * HEAD)[:, None]
    write_tiny_model(tmp_path / "alike.gguf", extra_tensors={"blk.1.attn_q.weight": alike})
    opened = open_gguf(tmp_path / "alike.gguf")

    with pytest.raises(CheckFailed, match="two row orders"):
        match_targets([QUERY], opened, CONFIG, lambda module: torch_weight(opened, module))


@pytest.mark.parametrize(
    "module", ["lm_head", "model.embed_tokens", "model.norm", "model.layers.0.input_layernorm"]
)
def test_modules_that_llama_cpp_does_not_adapt_are_refused(opened: Gguf, module: str) -> None:
    with pytest.raises(CheckFailed, match="has no matrix there"):
        match_targets([module], opened, CONFIG, lambda _: np.ones((1, 1), np.float32))


@pytest.mark.parametrize(
    "option",
    [
        {"use_dora": True},
        {"bias": "lora_only"},
        {"lora_bias": True},
        {"modules_to_save": ["norm"]},
        {"rank_pattern": {"q_proj": 8}},
        {"alpha_pattern": {"q_proj": 16}},
        {"trainable_token_indices": [1]},
        {"target_parameters": ["experts"]},
        {"fan_in_fan_out": True},
        {"layer_replication": [[0, 2]]},
        {"lora_alpha": 0},
        {"peft_type": "LOHA"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_options_that_would_go_wrong_in_silence_are_refused(option: dict) -> None:
    with pytest.raises(CheckFailed, match=next(iter(option))) as refused:
        check_exportable(LORA | option)
    assert refused.value.exit_code == 3


def test_plain_lora_with_pefts_defaults_is_allowed() -> None:
    check_exportable(
        LORA | {"rank_pattern": {}, "alpha_pattern": {}, "modules_to_save": None, "use_dora": False}
    )


@pytest.mark.parametrize("damage", ["foreign tensor", "missing B", "another rank", "NaN"])
def test_tensors_that_are_not_the_adapter_are_refused(tmp_path: Path, opened: Gguf, damage: str) -> None:
    adapter = adapter_for(opened, [QUERY, DOWN])
    targets = match_targets([QUERY, DOWN], opened, CONFIG, lambda module: torch_weight(opened, module))
    prefix = f"base_model.model.{QUERY}"
    if damage == "foreign tensor":
        adapter["base_model.model.model.norm.weight"] = np.ones(64, np.float32)
    if damage == "missing B":
        del adapter[f"{prefix}.lora_B.weight"]
    if damage == "another rank":
        adapter[f"{prefix}.lora_A.weight"] = adapter[f"{prefix}.lora_A.weight"][:2]
    if damage == "NaN":
        adapter[f"{prefix}.lora_A.weight"][0, 0] = np.nan

    with pytest.raises(CheckFailed):
        write_lora_gguf(
            tmp_path / "a.gguf", architecture="llama", lora=LORA, targets=targets, adapter=adapter
        )
    assert list(tmp_path.iterdir()) == []
