"""A damaged GGUF is refused at once, with a remedy, whatever its header claims."""

import struct
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from tiny_model import write_tiny_model

from better_together_trainer.errors import BadInput, CheckFailed
from better_together_trainer.gguf_file import open_gguf, require_supported


def refusal_of(path: Path, content: bytes) -> BadInput:
    path.write_bytes(content)
    with pytest.raises(BadInput) as refused:
        open_gguf(path)
    assert refused.value.exit_code == 2
    return refused.value


def test_a_whole_file_is_read_as_by_the_reference_reader(gguf: Path) -> None:
    opened, reference = open_gguf(gguf), GGUFReader(gguf)

    known = {
        name: field.contents() for name, field in reference.fields.items() if not name.startswith("GGUF.")
    }
    assert {name: field.value for name, field in opened.fields.items()} == known
    assert list(opened.tensors) == [tensor.name for tensor in reference.tensors]
    for tensor in reference.tensors:
        np.testing.assert_array_equal(opened.tensors[tensor.name].as_float32(), tensor.data)
    assert (opened.architecture, opened.token_count, opened.setting("block_count")) == ("llama", 480, 3)
    assert opened.get("no.such.key") is None


@pytest.mark.parametrize("kept", [0, 3, 23, 24, 30, 1_000, 10_000, 20_000, 200_000, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, gguf: Path, kept: int) -> None:
    error = refusal_of(tmp_path / "cut.gguf", gguf.read_bytes()[:kept])

    assert "cut.gguf" in str(error)
    assert "sha256" in error.hint


def test_what_is_no_gguf_is_refused(tmp_path: Path) -> None:
    assert "letters GGUF" in str(refusal_of(tmp_path / "page.gguf", b"<!doctype html><html>not found</html>"))


def test_counts_that_lie_do_not_run_forever(tmp_path: Path, gguf: Path) -> None:
    whole = gguf.read_bytes()
    many_pairs = whole[:16] + struct.pack("<Q", 2**60) + whole[24:]
    endless_array = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
    endless_array += struct.pack("<Q1sIIQ", 1, b"k", 9, 8, 2**60) + bytes(64)

    refusal_of(tmp_path / "pairs.gguf", many_pairs)
    refusal_of(tmp_path / "array.gguf", endless_array)


def test_one_part_of_a_split_file_is_refused(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "part.gguf", extra_metadata={"split.count": 2})

    with pytest.raises(BadInput, match="one of 2 parts"):
        open_gguf(tmp_path / "part.gguf")


def test_an_unsupported_architecture_is_refused_by_name(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "falcon.gguf", architecture="falcon")

    falcon = open_gguf(tmp_path / "falcon.gguf")
    with pytest.raises(CheckFailed, match="'falcon'") as refused:
        require_supported(falcon, allow_untested=False)
    assert "llama" in refused.value.hint
    assert "allowUntestedArchitecture" in refused.value.hint
    require_supported(falcon, allow_untested=True)


def test_a_tensor_is_read_some_rows_at_a_time(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = open_gguf(gguf).tensors["blk.1.ffn_down.weight"]
    whole = tensor.as_float32()
    monkeypatch.setattr("better_together_trainer.gguf_file.SLICE_NUMBERS", 3 * tensor.shape[1])

    np.testing.assert_array_equal(tensor.as_float32(), whole)
    assert len(np.unique(whole)) > 1000
