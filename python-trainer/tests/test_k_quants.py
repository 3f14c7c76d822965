"""What the tests' own encoder writes is what gguf reads."""

from pathlib import Path

import numpy as np
import pytest
from gguf import dequantize
from k_quants import ENCODERS, Encoding, write_k_quants
from tiny_model import write_tiny_model

from better_together_trainer.gguf_file import open_gguf


@pytest.mark.parametrize(("encoding", "most"), [(Encoding.Q4_K, 0.1), (Encoding.Q6_K, 0.025)])
def test_values_are_rounded_and_stay_in_their_places(encoding: Encoding, most: float) -> None:
    values = np.random.default_rng(0).standard_normal((5, 512), dtype=np.float32)
    values[2, :256] = 0
    read = dequantize(ENCODERS[encoding](values), encoding)

    assert np.linalg.norm(read - values) / np.linalg.norm(values) < most
    assert not read[2, :256].any()


def test_rows_that_are_no_multiple_of_256_are_q5_0(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "in.gguf", feed_forward=256)
    write_k_quants(tmp_path / "in.gguf", tmp_path / "out.gguf")
    before, after = open_gguf(tmp_path / "in.gguf"), open_gguf(tmp_path / "out.gguf")

    encodings = {name.rpartition(".")[0]: tensor.encoding.name for name, tensor in after.tensors.items()}
    assert [encodings[f"blk.{layer}.ffn_down"] for layer in range(3)] == ["Q4_K", "Q6_K", "Q4_K"]
    assert {encodings["token_embd"], encodings["blk.0.ffn_up"], encodings["output_norm"]} == {"Q5_0", "F32"}
    for name, tensor in after.tensors.items():
        old = before.tensors[name].as_float32()
        assert np.linalg.norm(tensor.as_float32() - old) / np.linalg.norm(old) < 0.1, name
