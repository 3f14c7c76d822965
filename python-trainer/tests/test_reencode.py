"""Re-encoding changes the matrices' encoding and nothing else, and always gives the same bytes."""

from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny_model

from better_together_trainer.errors import CheckFailed
from better_together_trainer.files import sha256_of
from better_together_trainer.gguf_file import open_gguf
from better_together_trainer.reencode import reencode


def test_it_is_byte_stable(tmp_path: Path, gguf: Path) -> None:
    for name in ("one.gguf", "two.gguf"):
        reencode(gguf, tmp_path / name, "Q8_0")

    assert sha256_of(tmp_path / "one.gguf") == sha256_of(tmp_path / "two.gguf")
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["one.gguf", "two.gguf"]


def test_matrices_change_a_little_vectors_not_at_all(tmp_path: Path, gguf: Path) -> None:
    reencode(gguf, tmp_path / "q8.gguf", "Q8_0")
    before, after = open_gguf(gguf), open_gguf(tmp_path / "q8.gguf")

    assert list(before.tensors) == list(after.tensors)
    assert (before.get("general.file_type"), after.get("general.file_type")) == (1, 7)
    for name, tensor in after.tensors.items():
        old, new = before.tensors[name].as_float32(), tensor.as_float32()
        if old.ndim == 1:
            assert tensor.encoding.name == "F32"
            np.testing.assert_array_equal(new, old)
        else:
            assert tensor.encoding.name == "Q8_0"
            assert 0 < np.linalg.norm(new - old) / np.linalg.norm(old) < 0.01


@pytest.mark.parametrize(("type_name", "file_type", "most"), [("Q4_0", 2, 0.12), ("Q4_1", 3, 0.12)])
def test_few_bits_change_more(
    tmp_path: Path, gguf: Path, type_name: str, file_type: int, most: float
) -> None:
    reencode(gguf, tmp_path / "q4.gguf", type_name)
    before, after = open_gguf(gguf), open_gguf(tmp_path / "q4.gguf")

    assert after.get("general.file_type") == file_type
    for name, tensor in after.tensors.items():
        old = before.tensors[name].as_float32()
        assert np.linalg.norm(tensor.as_float32() - old) / np.linalg.norm(old) < most, name


def test_a_wider_encoding_keeps_every_number(tmp_path: Path, gguf: Path) -> None:
    reencode(gguf, tmp_path / "f32.gguf", "F32")
    before, after = open_gguf(gguf), open_gguf(tmp_path / "f32.gguf")

    for name, tensor in after.tensors.items():
        np.testing.assert_array_equal(tensor.as_float32(), before.tensors[name].as_float32())


def test_metadata_is_copied(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "in.gguf", extra_metadata={"general.alignment": 64, "general.note": "kept"})
    reencode(tmp_path / "in.gguf", tmp_path / "out.gguf", "F16")
    before, after = open_gguf(tmp_path / "in.gguf"), open_gguf(tmp_path / "out.gguf")

    changed = {name for name in before.fields if before.get(name) != after.get(name)}
    assert set(before.fields) == set(after.fields)
    assert changed == set()  # F16 it was
    assert (tmp_path / "in.gguf").read_bytes() == (tmp_path / "out.gguf").read_bytes()


def test_a_matrix_that_does_not_fit_the_encoding_is_named(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "in.gguf", extra_tensors={"odd.weight": np.ones((4, 33), np.float32)})

    with pytest.raises(CheckFailed, match=r"odd\.weight of shape \(4, 33\) cannot be Q8_0"):
        reencode(tmp_path / "in.gguf", tmp_path / "out.gguf", "Q8_0")
    assert not (tmp_path / "out.gguf").exists()
