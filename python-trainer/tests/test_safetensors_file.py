"""The library reads what is written here, and no two tensors are in memory at once."""

import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from better_together_trainer.safetensors_file import write_safetensors

SHAPES = {"a": (3, 5), "b": (7,), "c": (2, 4)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_was_written_is_read(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    write_safetensors(tmp_path / "t.safetensors", SHAPES, dtype, tensors.__getitem__)

    read = load_file(tmp_path / "t.safetensors")
    assert read.keys() == SHAPES.keys()
    assert all(torch.equal(read[name], tensors[name].to(dtype)) for name in SHAPES)


def test_a_tensor_is_gone_before_the_next_is_made(tmp_path: Path) -> None:
    made: list[weakref.ref] = []

    def make(name: str) -> torch.Tensor:
        assert not any(tensor() is not None for tensor in made)
        values = torch.ones(SHAPES[name])
        made.append(weakref.ref(values))
        return values

    write_safetensors(tmp_path / "t.safetensors", SHAPES, torch.float32, make)
    assert len(made) == len(SHAPES)


def test_a_tensor_of_another_shape_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"shape \(1,\), where \(3, 5\) was announced"):
        write_safetensors(tmp_path / "t.safetensors", SHAPES, torch.float32, lambda _: torch.ones(1))
