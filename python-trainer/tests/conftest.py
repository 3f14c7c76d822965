"""One tiny model for the whole session, and its import."""

from pathlib import Path

import pytest
from support import import_job, start, write_job
from tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_tiny_model(path)
    return path


@pytest.fixture(scope="session")
def base(gguf: Path) -> Path:
    """The tiny model as an imported folder."""
    out = gguf.with_name("tiny-hf")
    trainer = start(write_job(gguf.parent, import_job(gguf, out)))
    assert trainer.wait() == 0, trainer.events("error")
    return out
