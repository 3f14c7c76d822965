"""Each setting of a training does what its name says."""

import math
from pathlib import Path

import pytest
from support import finish, refused, sft_job, write_job

from better_together_trainer.errors import BadInput
from better_together_trainer.quantization import require_quantization
from better_together_trainer.targets import chosen_kinds, linear_kinds


def test_cosine_goes_from_the_rate_to_nothing(tmp_path: Path, base: Path, gguf: Path) -> None:
    result = finish(write_job(tmp_path, sft_job(tmp_path, base, gguf, training={"schedule": "cosine"})))

    # Two steps of warm-up, of which the first has nothing; then ten down.
    rates = [0, 0.005] + [0.01 * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    assert [entry["learningRate"] for entry in result["losses"]] == pytest.approx(rates)


@pytest.mark.parametrize(
    ("targets", "kinds"),
    [
        ("all", ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]),
        ("attention", ["k_proj", "o_proj", "q_proj", "v_proj"]),
        ("mlp", ["down_proj", "gate_proj", "up_proj"]),
        (("v_proj", "q_proj"), ["q_proj", "v_proj"]),
    ],
)
def test_targets_are_linear_layers_of_the_blocks(
    base: Path, targets: str | tuple[str, ...], kinds: list[str]
) -> None:
    assert chosen_kinds(targets, linear_kinds(base)) == kinds


def test_only_the_targets_are_touched(tmp_path: Path, base: Path, gguf: Path) -> None:
    changes = {"lora": {"targets": ["q_proj", "up_proj"]}, "training": {"steps": 1, "warmupSteps": 0}}
    result = finish(write_job(tmp_path, sft_job(tmp_path, base, gguf, **changes)))

    assert (result["modules"], result["permuted"]) == (4, 2)


def test_targets_that_cannot_be_served_are_refused_by_name(tmp_path: Path, base: Path, gguf: Path) -> None:
    lora = {"targets": ["q_proj", "lm_head", "qkv_proj"], "topLayers": 9}
    outcome = refused(write_job(tmp_path, sft_job(tmp_path, base, gguf, lora=lora)))

    known = "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    assert outcome.code == 2
    assert outcome.error["message"].splitlines()[1:] == [
        f"- lora.targets names lm_head, which no LoRA GGUF serves; the linear layers are {known}",
        f"- lora.targets names qkv_proj; the linear layers of this model are {known}",
        "- lora.topLayers is 9; the model has 3 layers",
    ]


def test_4_bits_are_refused_where_there_is_no_cuda(tmp_path: Path, base: Path, gguf: Path) -> None:
    outcome = refused(write_job(tmp_path, sft_job(tmp_path, base, gguf, training={"quantization": "4bit"})))

    assert (outcome.code, outcome.error["code"]) == (2, "quantization-needs-cuda")
    assert outcome.error["message"] == (
        "The job asks for 4bit training on cpu; it needs an NVIDIA GPU (CUDA)."
    )


def test_4_bits_need_their_package() -> None:
    with pytest.raises(BadInput, match="bitsandbytes is not installed") as missing:
        require_quantization("4bit", "cuda")
    assert "[4bit]" in missing.value.hint
    require_quantization("none", "cpu")
