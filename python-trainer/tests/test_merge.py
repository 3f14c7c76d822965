"""A merged file or folder says what base and adapter say together, and nothing else in it has changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter
from support import command_line, finish, make_rows, refused, sft_job, write_job
from tiny_model import CHAT_TEMPLATE, write_tiny_model
from transformers import AutoTokenizer

from better_together_trainer.gguf_file import open_gguf

THREE_QUARTERS = 0.75


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, base: Path, gguf: Path) -> Path:
    """The work folder of a training: adapter.gguf, adapter/ and the distributions at the probes."""
    folder = tmp_path_factory.mktemp("trained")
    probe = [{"ids": row["prompt_ids"], "positions": [1, 3]} for row in make_rows(5)]
    finish(write_job(folder, sft_job(folder, base, gguf, probe=probe, lora={"rsLora": True})))
    return folder / "work"


def merge_job(folder: Path, gguf: Path, adapter: Path, **changes: object) -> Path:
    job = {"version": 1, "kind": "merge", "gguf": str(gguf), "adapter": str(adapter), "encoding": "Q8_0"}
    return write_job(folder, job | {"workDir": str(folder), "threads": 1} | changes)


def folder_job(folder: Path, base: Path, gguf: Path, adapter: Path, **changes: object) -> Path:
    job = {
        "version": 1,
        "kind": "merge-folder",
        "base": str(base),
        "gguf": str(gguf),
        "adapter": str(adapter),
    }
    rest = {"dtype": "float32", "tokenizerProbe": [], "workDir": str(folder), "threads": 1}
    return write_job(folder, job | rest | changes)


def reference_job(folder: Path, base: Path, adapter: Path | None) -> Path:
    probe = [{"ids": row["prompt_ids"], "positions": [1, 3]} for row in make_rows(5)]
    job = {"version": 1, "kind": "reference", "base": str(base), "adapter": adapter and str(adapter)}
    return write_job(folder, job | {"workDir": str(folder), "threads": 1, "probe": probe})


def distributions(path: Path) -> np.ndarray:
    return np.fromfile(path, "<f4").reshape(10, -1)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    return float((np.exp(p) * (p - q)).sum(-1).mean())


# -----------------------------------------------------------------------------
# GGUF.


@pytest.mark.parametrize(("encoding", "tolerance"), [("F16", 3e-4), ("Q8_0", 1e-2)])
def test_touched_tensors_are_the_sum_and_all_others_the_very_bytes(
    tmp_path: Path, gguf: Path, trained: Path, encoding: str, tolerance: float
) -> None:
    result = finish(merge_job(tmp_path, gguf, trained / "adapter.gguf", encoding=encoding))
    before, after = open_gguf(gguf), open_gguf(tmp_path / "merged.gguf")
    adapter = open_gguf(trained / "adapter.gguf")
    touched = {name.removesuffix(".lora_a") for name in adapter.tensors if name.endswith("a")}

    assert result["touched"] == len(touched) == 14  # seven matrices in two of three layers
    assert list(after.tensors) == list(before.tensors)
    for name, tensor in after.tensors.items():
        old = before.tensors[name]
        if name not in touched:
            assert tensor.encoding == old.encoding
            assert tensor.data.tobytes() == old.data.tobytes()
            continue
        a, b = (adapter.tensors[f"{name}.lora_{side}"].as_float32() for side in "ab")
        wanted = old.as_float32() + adapter.get("adapter.lora.alpha") / len(a) * (b @ a)
        assert tensor.encoding.name == encoding
        assert np.linalg.norm(tensor.as_float32() - wanted) / np.linalg.norm(wanted) < tolerance


def test_metadata_is_kept(tmp_path: Path, gguf: Path, trained: Path) -> None:
    finish(merge_job(tmp_path, gguf, trained / "adapter.gguf"))

    assert open_gguf(tmp_path / "merged.gguf").fields == open_gguf(gguf).fields


def test_equal_input_gives_equal_bytes(tmp_path: Path, gguf: Path, trained: Path) -> None:
    results = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        folder.mkdir()
        results.append(finish(merge_job(folder, gguf, trained / "adapter.gguf", threads=threads)))

    assert results[0]["sha256"] == results[1]["sha256"]


def test_an_adapter_without_an_effect_gives_the_base_back(tmp_path: Path, gguf: Path) -> None:
    """In F16, which the tiny model is: nothing is lost on the way."""
    write_adapter(tmp_path / "adapter.gguf", b=np.zeros((64, 4), np.float32))
    finish(merge_job(tmp_path, gguf, tmp_path / "adapter.gguf", encoding="F16"))

    assert (tmp_path / "merged.gguf").read_bytes() == gguf.read_bytes()


def test_an_alpha_of_0_is_a_scale_of_1_as_in_llama_cpp(tmp_path: Path, gguf: Path) -> None:
    write_adapter(tmp_path / "adapter.gguf", alpha=0, b=np.full((64, 4), THREE_QUARTERS, np.float32))
    finish(merge_job(tmp_path, gguf, tmp_path / "adapter.gguf", encoding="F16"))
    name = "blk.0.attn_output.weight"
    before, after = (open_gguf(path).tensors[name].as_float32() for path in (gguf, tmp_path / "merged.gguf"))

    np.testing.assert_allclose(after - before, 4 * THREE_QUARTERS, atol=2e-3)


def write_adapter(
    path: Path,
    *,
    b: np.ndarray,
    alpha: float = 8,
    architecture: str = "llama",
    tensor: str = "blk.0.attn_output.weight",
) -> None:
    writer = GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    writer.add_tensor(f"{tensor}.lora_a", np.ones((4, 64), np.float32))
    writer.add_tensor(f"{tensor}.lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize(
    "fault",
    [{"architecture": "qwen2"}, {"tensor": "blk.7.attn_output.weight"}, {"b": np.ones((32, 4), np.float32)}],
    ids=lambda fault: next(iter(fault)),
)
def test_an_adapter_of_another_base_is_refused(tmp_path: Path, gguf: Path, fault: dict) -> None:
    write_adapter(tmp_path / "adapter.gguf", **({"b": np.ones((64, 4), np.float32)} | fault))
    outcome = command_line("run", merge_job(tmp_path, gguf, tmp_path / "adapter.gguf"))

    assert (outcome.code, outcome.error["code"]) == (3, "other-base")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["adapter.gguf", "job.json"]


def test_a_merge_says_what_disk_it_takes_and_imports_no_torch(
    tmp_path: Path, gguf: Path, trained: Path
) -> None:
    outcome = command_line("run", merge_job(tmp_path, gguf, trained / "adapter.gguf"))
    phases = [event["phase"] for event in outcome.events if event["type"] == "heartbeat"]

    assert outcome.code == 0
    assert list(dict.fromkeys(phases)) == ["check", "merge, 0.0 GB of disk"]


# -----------------------------------------------------------------------------
# Hugging Face folder.


def test_a_merged_folder_says_what_its_parts_say(
    tmp_path: Path, base: Path, gguf: Path, trained: Path
) -> None:
    result = finish(folder_job(tmp_path, base, gguf, trained / "adapter"))
    finish(reference_job(tmp_path, tmp_path / "merged", None))
    wanted, found = distributions(trained / "probe-adapter.f32"), distributions(tmp_path / "probe-base.f32")

    assert divergence(distributions(trained / "probe-base.f32"), wanted) > 1e-2
    assert abs(divergence(wanted, found)) < 1e-6
    assert result["touched"] == 14
    assert result["tokenizer"] == {
        "written": False, "compared": 0, "reason": "there was no text to compare it on",
    }  # fmt: skip
    assert sorted(file.name for file in (tmp_path / "merged").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.parametrize(("dtype", "bytes_a_number"), [("float16", 2), ("bfloat16", 2), ("float32", 4)])
def test_a_merged_folder_has_the_dtype_that_was_asked_for(
    tmp_path: Path, base: Path, gguf: Path, trained: Path, dtype: str, bytes_a_number: int
) -> None:
    finish(folder_job(tmp_path, base, gguf, trained / "adapter", dtype=dtype))
    origin = json.loads((base / "import.json").read_text())
    config = json.loads((tmp_path / "merged" / "config.json").read_text())

    assert config["dtype"] == dtype
    size = (tmp_path / "merged" / "model.safetensors").stat().st_size
    assert 0 < size - bytes_a_number * origin["parameters"] < 10_000


def test_an_adapter_is_read_back_as_it_was_trained(tmp_path: Path, base: Path, trained: Path) -> None:
    finish(reference_job(tmp_path, base, trained / "adapter"))

    for name in ("probe-base.f32", "probe-adapter.f32"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()


def test_a_folder_of_another_base_is_refused(tmp_path: Path, base: Path, trained: Path) -> None:
    write_tiny_model(tmp_path / "other.gguf", seed=9)
    outcome = command_line("run", folder_job(tmp_path, base, tmp_path / "other.gguf", trained / "adapter"))

    assert (outcome.code, outcome.error["code"]) == (3, "other-base")
    assert not (tmp_path / "merged").exists()


# -----------------------------------------------------------------------------
# Tokenizer.

# What llama.cpp makes of whole conversations, test/trainer/merge.test.ts compares.


def tokenizer_probe(gguf: Path, *pieces: str, text: str) -> list[dict]:
    tokens = open_gguf(gguf).get("tokenizer.ggml.tokens")
    return [{"text": text, "ids": [tokens.index(piece) for piece in pieces]}]


def test_a_tokenizer_with_the_runtimes_ids_is_written(
    tmp_path: Path, base: Path, gguf: Path, trained: Path
) -> None:
    probe = tokenizer_probe(gguf, "<|im_start|>", "1", "2", "<|im_end|>", text="<|im_start|>12<|im_end|>")
    result = finish(folder_job(tmp_path, base, gguf, trained / "adapter", tokenizerProbe=probe))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged", local_files_only=True)

    assert result["tokenizer"] == {"written": True, "compared": 1, "reason": None}
    assert len(tokenizer) == open_gguf(gguf).token_count  # transformers invents an <|endoftext|> for it
    assert (tokenizer.eos_token, tokenizer.chat_template) == ("<|im_end|>", CHAT_TEMPLATE)


def test_a_tokenizer_with_other_ids_is_left_out(
    tmp_path: Path, base: Path, gguf: Path, trained: Path
) -> None:
    probe = tokenizer_probe(gguf, "<|im_start|>", "1", text="<|im_start|>2")
    result = finish(folder_job(tmp_path, base, gguf, trained / "adapter", tokenizerProbe=probe))

    reason = "1 of 1 texts get other ids than from llama.cpp"
    assert result["tokenizer"] == {"written": False, "compared": 1, "reason": reason}
    assert not (tmp_path / "merged" / "tokenizer.json").exists()


def test_a_job_of_another_kind_is_refused_with_the_kinds_there_are(tmp_path: Path) -> None:
    outcome = refused(write_job(tmp_path, {"version": 1, "kind": "divide"}))

    assert "it must be one of import, sft, merge, merge-folder, reference" in outcome.error["message"]
