"""A job is read once, and refused whole."""

import json
from pathlib import Path

import pytest
from support import sft_job, write_job

from better_together_trainer.errors import BadInput
from better_together_trainer.job import read_job


def mistakes_in(job: Path) -> list[str]:
    with pytest.raises(BadInput) as refused:
        read_job(job)
    assert refused.value.exit_code == 2
    return str(refused.value).splitlines()[1:]


@pytest.fixture
def good(tmp_path: Path) -> dict:
    (tmp_path / "base").mkdir()
    (tmp_path / "model.gguf").touch()
    return sft_job(tmp_path, tmp_path / "base", tmp_path / "model.gguf")


def test_all_mistakes_are_reported_at_once(tmp_path: Path, good: dict) -> None:
    del good["seed"]
    good |= {"gguf": "no.gguf", "threads": True, "device": "tpu", "colour": "red"}
    good["lora"] |= {"rank": 0, "alpha": float("nan")}
    good["training"] |= {"learningRate": "fast", "precision": "float16", "warmup": 3}
    good["probe"] = [{"ids": [1], "positions": [0]}, {"ids": [], "positions": [-1]}]

    job_keys = (
        "version, kind, base, gguf, rows, workDir, device, threads, seed, lora, startAdapter, training, "
        "evaluation, neutral, probe"
    )
    training_keys = ", ".join(name for name in good["training"] if name != "warmup")
    assert mistakes_in(write_job(tmp_path, good)) == [
        f"- colour is not a key; the keys here are {job_keys}",
        "- gguf names no.gguf, which is not a file",
        "- device is 'tpu'; it must be one of cpu, cuda, metal",
        "- threads is True; it must be an integer from 1 to 1024",
        "- seed is missing",
        "- lora.rank is 0; it must be an integer from 1 to 1024",
        "- lora.alpha is nan; it must be a number above 0",
        f"- training.warmup is not a key; the keys here are {training_keys}",
        "- training.learningRate is 'fast'; it must be a number above 0",
        "- training.precision is 'float16'; it must be one of autocast-bf16, float32, bfloat16",
        "- probe[1].ids is []; it must be a list of 1 or more",
        "- probe[1].positions[0] is -1; it must be an integer of at least 0",
    ]


def test_keys_that_contradict_each_other_are_reported(tmp_path: Path, good: dict) -> None:
    good["training"] |= {"batch": 8, "microBatch": 3, "steps": 5, "warmupSteps": 6}
    good["probe"] = [{"ids": [4, 5], "positions": [1, 2]}]
    good["training"]["beta"] = 0.1

    assert mistakes_in(write_job(tmp_path, good)) == [
        "- training has a batch of 8, which microBatch 3 does not divide",
        "- training has 6 warmupSteps, more than its 5 steps",
        "- training has method sft and beta 0.1; dpo needs a number, sft null",
        "- probe[0] asks for positions [2] of 2 ids",
    ]


def test_paths_are_relative_to_the_job_file(tmp_path: Path, good: dict) -> None:
    job = read_job(write_job(tmp_path, good))

    assert job.rows == tmp_path / "rows.jsonl"
    assert job.work_dir == tmp_path / "work"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": ["sft"]}', '"sft"', "null"])
def test_what_is_no_job_is_refused_with_a_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)

    with pytest.raises(BadInput, match="job file") as refused:
        read_job(tmp_path / "job.json")
    assert "README" in refused.value.hint


def test_another_version_is_refused(tmp_path: Path, good: dict) -> None:
    (tmp_path / "job.json").write_text(json.dumps(good | {"version": 2}))

    assert mistakes_in(tmp_path / "job.json") == ["- version is 2; it must be an integer from 1 to 1"]
