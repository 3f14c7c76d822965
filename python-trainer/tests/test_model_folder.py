"""A named Hugging Face folder gives its weights to the import, or is refused before any of it is used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support import VOCABULARY
from test_import import run_import
from tiny_model import write_tiny_model

from better_together_trainer.adapter import match_base
from better_together_trainer.errors import BadInput, CheckFailed
from better_together_trainer.gguf_file import open_gguf
from better_together_trainer.imported import read_origin
from better_together_trainer.reencode import reencode

SHA256 = "5" * 64
WEIGHTS = "model.safetensors"
UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def folder(tmp_path: Path, base: Path) -> Path:
    """What the GGUF's publisher has: settings, weights, tokens."""
    path = tmp_path / "published"
    path.mkdir()
    for name in ("config.json", WEIGHTS):
        shutil.copyfile(base / name, path / name)
    return path


@pytest.fixture
def small(tmp_path: Path, gguf: Path) -> Path:
    """The model in few bits."""
    reencode(gguf, tmp_path / "small.gguf", "Q4_0")
    return tmp_path / "small.gguf"


def run(tmp_path: Path, gguf: Path, folder: Path) -> dict:
    return run_import(tmp_path, gguf, baseFolder={"path": str(folder), "sha256": SHA256})


def change_config(folder: Path, **changes: object) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | changes))


def change_weights(folder: Path, change: Callable[[dict], dict]) -> None:
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)


# -----------------------------------------------------------------------------


def test_the_weights_are_the_folders_own(tmp_path: Path, small: Path, folder: Path) -> None:
    result = run(tmp_path, small, folder)
    imported, published = (load_file(path / WEIGHTS) for path in (tmp_path / "out", folder))

    assert imported.keys() == published.keys()
    for name, weight in published.items():
        assert torch.equal(imported[name], weight), name
    assert result["folderSha256"] == SHA256
    assert read_origin(tmp_path / "out").folder_sha256 == SHA256


def test_weights_in_several_files_are_found(tmp_path: Path, small: Path, folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    names = sorted(weights)
    (folder / WEIGHTS).unlink()
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: weights[name] for name in part}, folder / f"model-{number}-of-2.safetensors")
    run(tmp_path, small, folder)

    imported = load_file(tmp_path / "out" / WEIGHTS)
    assert all(torch.equal(imported[name], weight) for name, weight in weights.items())


def test_an_adapter_for_them_fits_the_file(tmp_path: Path, small: Path, folder: Path) -> None:
    """With the file's own weights the two are equal; here they are as far apart as the encoding is coarse."""
    run(tmp_path, small, folder)
    out = tmp_path / "out"
    config = json.loads((out / "config.json").read_text())
    targets = match_base([UP.removesuffix(".weight")], config, out, open_gguf(small), read_origin(out))

    assert 0.05 < targets[0].mismatch < 0.15


def test_another_folders_import_is_not_taken_for_it(tmp_path: Path, small: Path, folder: Path) -> None:
    run(tmp_path, small, folder)

    with pytest.raises(BadInput, match="holds an import"):
        run_import(tmp_path, small)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (
            lambda folder: change_config(folder, auto_map={"AutoModel": "code.Model"}),
            r"code to be run \(auto_map\)",
        ),
        (
            lambda folder: change_config(folder, _attn_implementation_internal="hub/kernel"),
            r"code to be run \(_attn_implementation_internal\)",
        ),
        (lambda folder: change_config(folder, model_type="unheard-of"), "model_type 'unheard-of'"),
        (
            lambda folder: change_config(folder, model_type="qwen2"),
            "is a qwen2 model and small.gguf a llama model",
        ),
        (
            lambda folder: change_config(folder, vocab_size=VOCABULARY + 64),
            "has 544 embeddings and small.gguf 480 tokens",
        ),
        (
            lambda folder: change_weights(folder, lambda all_: all_ | {UP: all_[UP].flip(0)}),
            f"{UP} that differs by",
        ),
        (
            lambda folder: change_weights(folder, lambda all_: all_ | {UP: all_[UP][1:].clone()}),
            r"up_proj\.weight in the shape \(127, 64\), not \(128, 64\)",
        ),
        (
            lambda folder: change_weights(
                folder, lambda all_: {name: all_[name] for name in all_ if name != UP}
            ),
            f"lacks 1 of the model's 29 weights \\({UP}\\)",
        ),
        (lambda folder: (folder / WEIGHTS).unlink(), "has no .*safetensors files"),
        (lambda folder: (folder / "config.json").unlink(), "cannot be read as a model folder"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"half"), "cannot be read as a model folder"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(
    tmp_path: Path, small: Path, folder: Path, change: Callable[[Path], None], fact: str
) -> None:
    change(folder)

    with pytest.raises((BadInput, CheckFailed), match=fact) as refused:
        run(tmp_path, small, folder)
    assert refused.value.hint
    assert not (tmp_path / "out").exists()


def test_the_folder_of_another_model_of_the_same_shape_is_refused(
    tmp_path: Path, small: Path, folder: Path
) -> None:
    write_tiny_model(tmp_path / "other.gguf", seed=9)
    (tmp_path / "other").mkdir()
    run_import(tmp_path / "other", tmp_path / "other.gguf")
    shutil.copyfile(tmp_path / "other" / "out" / WEIGHTS, folder / WEIGHTS)

    with pytest.raises(CheckFailed, match=r"differs by 1\.\d+ from the file's, more than 0\.2"):
        run(tmp_path, small, folder)


# -----------------------------------------------------------------------------
# Tokens.


def write_tokenizer(folder: Path, gguf: Path, **changes: int) -> None:
    tokens = open_gguf(gguf).get("tokenizer.ggml.tokens")
    ids = {token: at for at, token in enumerate(tokens)}
    special = [{"content": token, "id": ids.pop(token)} for token in tokens[:4]]
    text = {"model": {"type": "BPE", "vocab": ids | changes}, "added_tokens": special}
    (folder / "tokenizer.json").write_text(json.dumps(text))


def test_equal_tokens_are_taken(tmp_path: Path, small: Path, folder: Path) -> None:
    write_tokenizer(folder, small)
    run(tmp_path, small, folder)
    assert (tmp_path / "out").exists()


@pytest.mark.parametrize(("token", "at"), [("a", 300), ("new", VOCABULARY)])
def test_a_token_with_another_id_is_named(
    tmp_path: Path, small: Path, folder: Path, token: str, at: int
) -> None:
    write_tokenizer(folder, small, **{token: at})

    with pytest.raises(CheckFailed, match=f"has '{token}' as token {at}, and small.gguf has"):
        run(tmp_path, small, folder)
