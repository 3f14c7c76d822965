"""Each architecture's weights are where torch expects them.

That the models then agree with llama.cpp is shown from the other side: test/trainer/architectures.test.ts.
"""

import json
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.torch import load_file
from support import import_job, write_job
from test_import import neighbours_to_halves, run_import
from tiny_architectures import TINY, WIDE_HEAD, WINDOW, write_tiny
from tiny_model import CONTEXT, EMBEDDING, HEAD, HEADS, KV_HEADS, write_tiny_model

from better_together_trainer import import_gguf
from better_together_trainer.errors import CheckFailed, DiskFull
from better_together_trainer.events import Events
from better_together_trainer.gguf_file import ARCHITECTURES, Tensor, open_gguf
from better_together_trainer.import_gguf import import_bytes
from better_together_trainer.job import read_job
from better_together_trainer.lora_gguf import match_targets
from better_together_trainer.prepare import prepare_import

PLAIN = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_qkv": "self_attn.qkv_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
NAMES = {
    "gemma3": PLAIN
    | {
        "post_attention_norm": "post_attention_layernorm",
        "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    },
    "phi3": PLAIN | {"ffn_up": "mlp.gate_up_proj"},
}
OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LISTED = [name for name, tiny in TINY.items() if tiny.architecture in ARCHITECTURES]


def in_torch(architecture: str, name: str, tensor: np.ndarray) -> tuple[str, np.ndarray]:
    *place, part, suffix = name.split(".")
    names = NAMES.get(architecture, PLAIN)
    torch_name = f"model.layers.{place[1]}.{names[part]}" if place else OUTSIDE[part]
    values = tensor.astype(np.float32)
    if architecture == "llama" and part in ("attn_q", "attn_k"):
        values = neighbours_to_halves(values, HEADS if part == "attn_q" else KV_HEADS)
    if architecture == "gemma3" and part.endswith("norm"):
        values = values - 1  # torch multiplies by 1 + w
    return f"{torch_name}.{suffix}", values


@pytest.mark.parametrize("name", LISTED)
def test_every_weight_is_where_torch_expects_it(tmp_path: Path, name: str) -> None:
    written = write_tiny(tmp_path / "tiny.gguf", name)
    run_import(tmp_path, tmp_path / "tiny.gguf")

    weights = {
        gguf_name: tensor for gguf_name, tensor in written.items() if not gguf_name.startswith("rope_")
    }
    expected = dict(in_torch(TINY[name].architecture, *item) for item in weights.items())
    imported = load_file(tmp_path / "out" / "model.safetensors")
    assert imported.keys() == expected.keys()
    for torch_name, weight in imported.items():
        np.testing.assert_array_equal(weight.numpy(), expected[torch_name], err_msg=torch_name)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mistral", {"model_type": "mistral", "sliding_window": None, "tie_word_embeddings": False}),
        ("qwen2", {"model_type": "qwen2", "tie_word_embeddings": True}),
        ("qwen3", {"model_type": "qwen3", "head_dim": WIDE_HEAD}),
        ("gemma3", {"model_type": "gemma3_text", "head_dim": WIDE_HEAD, "sliding_window": WINDOW}),
        # llama.cpp switches Phi-3's window off.
        ("phi3", {"sliding_window": None, "original_max_position_embeddings": CONTEXT // 2}),
    ],
)
def test_settings_that_the_loader_drops_are_put_back(tmp_path: Path, name: str, settings: dict) -> None:
    write_tiny(tmp_path / "tiny.gguf", name)
    run_import(tmp_path, tmp_path / "tiny.gguf")

    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert {key: config[key] for key in settings} == settings


def test_phi3_rotates_part_of_a_head_and_has_two_sets_of_factors(tmp_path: Path) -> None:
    for name in ("phi3", "phi3-partial"):
        (tmp_path / name).mkdir()
        write_tiny(tmp_path / name / "tiny.gguf", name)
        run_import(tmp_path / name, tmp_path / name / "tiny.gguf")
    rope, partial = (
        json.loads((tmp_path / name / "out" / "config.json").read_text())["rope_parameters"]
        for name in ("phi3", "phi3-partial")
    )

    assert partial["partial_rotary_factor"] == 12 / HEAD
    sets = TINY["phi3"].tensors
    assert rope["short_factor"] == sets["rope_factors_short.weight"].tolist()
    assert rope["long_factor"] == sets["rope_factors_long.weight"].tolist()
    assert rope["attention_factor"] == pytest.approx(1.19)
    assert rope["original_max_position_embeddings"] == CONTEXT // 2


# -----------------------------------------------------------------------------
# Adapters.


@pytest.mark.parametrize("name", LISTED)
def test_an_adapter_can_touch_every_matrix_of_a_block(tmp_path: Path, name: str) -> None:
    """Fused ones as one: torch has them fused too. Rows are interleaved in llama files only."""
    written = write_tiny(tmp_path / "tiny.gguf", name)
    run_import(tmp_path, tmp_path / "tiny.gguf")
    imported = load_file(tmp_path / "out" / "model.safetensors")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    modules = [
        weight.removesuffix(".weight")
        for weight in imported
        if "layers" in weight and "_proj.weight" in weight
    ]
    targets = match_targets(
        modules,
        open_gguf(tmp_path / "tiny.gguf"),
        config,
        lambda module: imported[f"{module}.weight"].numpy(),
    )

    matrices = {
        tensor for tensor, values in written.items() if values.ndim == 2 and tensor.startswith("blk.")
    }
    assert {target.tensor for target in targets} == matrices
    interleaved = {target.module.rpartition(".")[2] for target in targets if target.interleaved_heads}
    assert interleaved == ({"q_proj", "k_proj"} if TINY[name].architecture == "llama" else set())


def test_part_of_a_fused_matrix_is_refused_by_name(tmp_path: Path) -> None:
    write_tiny(tmp_path / "tiny.gguf", "phi3")
    config = {"num_hidden_layers": 3, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS}

    with pytest.raises(CheckFailed, match=r"model\.layers\.1\.self_attn\.q_proj"):
        match_targets(
            ["model.layers.1.self_attn.q_proj"],
            open_gguf(tmp_path / "tiny.gguf"),
            config,
            lambda _: np.ones((HEADS * HEAD, EMBEDDING), np.float32),
        )


# -----------------------------------------------------------------------------
# Others, memory and disk.


def test_an_architecture_that_is_not_listed_is_imported_when_that_is_allowed(tmp_path: Path) -> None:
    write_tiny(tmp_path / "tiny.gguf", "gemma2")
    with pytest.raises(CheckFailed, match="'gemma2'"):
        run_import(tmp_path, tmp_path / "tiny.gguf")
    result = run_import(tmp_path, tmp_path / "tiny.gguf", allowUntestedArchitecture=True)

    assert result["architecture"] == "gemma2"


def test_an_architecture_without_tables_is_refused_all_the_same(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "tiny.gguf", architecture="unheard-of")

    with pytest.raises(CheckFailed, match="unheard-of") as refused:
        run_import(tmp_path, tmp_path / "tiny.gguf", allowUntestedArchitecture=True)
    assert refused.value.code == "unsupported-architecture"


def test_an_import_holds_one_tensor_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[weakref.ref] = []
    as_float32 = Tensor.as_float32

    def watched(tensor: Tensor) -> np.ndarray:
        assert not any(values() is not None for values in read)
        values = as_float32(tensor)
        read.append(weakref.ref(values))
        return values

    monkeypatch.setattr(Tensor, "as_float32", watched)
    written = write_tiny(tmp_path / "tiny.gguf", "qwen3")
    run_import(tmp_path, tmp_path / "tiny.gguf")
    assert len(read) == len(written)


def test_an_import_that_does_not_fit_on_the_disk_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny(tmp_path / "tiny.gguf", "qwen2")
    job = read_job(write_job(tmp_path, import_job(tmp_path / "tiny.gguf", tmp_path / "deep" / "out")))
    needed = import_bytes(prepare_import(job), "float32")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=needed - 1))

    with pytest.raises(DiskFull, match=r"needs 0\.0 GB of disk space; 0\.0 GB are free"):
        import_gguf.run(job, prepare_import(job), Events(None))
    assert not (tmp_path / "deep").exists()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=needed))
    import_gguf.run(job, prepare_import(job), Events(None))
    assert needed < sum(file.stat().st_size for file in (tmp_path / "deep" / "out").iterdir()) < 1.1 * needed
