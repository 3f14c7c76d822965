"""How much of the base is forgotten is measured on the files that are handed out."""

from pathlib import Path

import numpy as np
import pytest
from support import VOCABULARY, finish, refused, sft_job, write_job

NEUTRAL = [{"ids": [7, 8, 9, 10, 11], "positions": [1, 3]}, {"ids": [300, 20, 21], "positions": [2]}]


def test_the_figure_is_the_divergence_of_the_distributions_that_are_handed_out(
    tmp_path: Path, base: Path, gguf: Path
) -> None:
    changes = {"training": {"precision": "float32"}, "neutral": NEUTRAL, "probe": NEUTRAL}
    result = finish(write_job(tmp_path, sft_job(tmp_path, base, gguf, **changes)))

    without, adapted = (
        np.fromfile(tmp_path / "work" / f"probe-{name}.f32", "<f4").reshape(-1, VOCABULARY).astype(float)
        for name in ("base", "adapter")
    )
    divergences = (np.exp(without) * (without - adapted)).sum(-1)
    assert result["forgetting"] == {
        "positions": 3,
        "meanKl": pytest.approx(divergences.mean(), rel=1e-3),
        "worstKl": pytest.approx(divergences.max(), rel=1e-3),
    }
    assert divergences.mean() > 0.01


def test_without_neutral_text_there_is_no_figure(tmp_path: Path, base: Path, gguf: Path) -> None:
    job = sft_job(tmp_path, base, gguf, training={"steps": 1, "warmupSteps": 0})

    assert finish(write_job(tmp_path, job))["forgetting"] is None


def test_neutral_text_of_another_model_is_refused(tmp_path: Path, base: Path, gguf: Path) -> None:
    neutral = [{"ids": [VOCABULARY], "positions": [0]}]
    outcome = refused(write_job(tmp_path, sft_job(tmp_path, base, gguf, neutral=neutral)))

    assert outcome.code == 2
    assert f"neutral[0] has token {VOCABULARY}" in outcome.error["message"]
