"""The model of all other tests, here and in TypeScript."""

from pathlib import Path

from tiny_model import byte_alphabet, write_tiny_model

from better_together_trainer.files import sha256_of
from better_together_trainer.gguf_file import open_gguf


def test_equal_seeds_give_equal_bytes(tmp_path: Path, gguf: Path) -> None:
    write_tiny_model(tmp_path / "again.gguf", seed=0)
    write_tiny_model(tmp_path / "other.gguf", seed=1)

    assert sha256_of(tmp_path / "again.gguf") == sha256_of(gguf)
    assert sha256_of(tmp_path / "other.gguf") != sha256_of(gguf)


def test_the_vocabulary_can_write_every_byte_and_chatml(gguf: Path) -> None:
    opened = open_gguf(gguf)
    tokens, kinds = opened.get("tokenizer.ggml.tokens"), opened.get("tokenizer.ggml.token_type")

    assert len(set(byte_alphabet())) == 256
    assert set(byte_alphabet()) <= set(tokens)
    assert [token for token, kind in zip(tokens, kinds, strict=True) if kind == 3] == [
        "<|begin|>", "<|im_start|>", "<|im_end|>", "<|pad|>",
    ]  # fmt: skip
    assert tokens[opened.get("tokenizer.ggml.eos_token_id")] == "<|im_end|>"


def test_every_merge_joins_two_tokens_into_a_third(gguf: Path) -> None:
    opened = open_gguf(gguf)
    tokens = set(opened.get("tokenizer.ggml.tokens"))

    for merge in opened.get("tokenizer.ggml.merges"):
        left, right = merge.split(" ")
        assert {left, right, left + right} <= tokens
