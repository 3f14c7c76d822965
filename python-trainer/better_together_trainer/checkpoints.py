"""Checkpoints that are either whole or ignored.

Trainer writes a checkpoint file by file into its final folder, so a killed process leaves half of one. A
checkpoint counts only with its seal, which is written last and holds the sha256 of every other file.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import remove, sha256_of, write_json

SEAL = "sealed.json"
FOLDER = re.compile(r"checkpoint-(\d+)")
# Pickles that nobody reads back.
UNUSED = ("training_args.bin",)


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    step: int
    micro_batch: int  # smaller than the job's after an out-of-memory

    def log(self) -> list[dict[str, Any]]:
        """One entry per step, over all the processes that trained up to here."""
        state = json.loads((self.folder / "trainer_state.json").read_text(encoding="utf-8"))
        return [entry for entry in state["log_history"] if "loss" in entry]


def seal(work_dir: Path, step: int, micro_batch: int) -> Checkpoint:
    folder = work_dir / f"checkpoint-{step}"
    for name in UNUSED:
        remove(folder / name)
    files = {file.name: sha256_of(file) for file in sorted(folder.iterdir())}
    write_json(folder / SEAL, {"files": files, "microBatch": micro_batch})
    return Checkpoint(folder, step, micro_batch)


def newest(work_dir: Path) -> Checkpoint | None:
    """The newest whole checkpoint. Broken ones go, so that Trainer does not write into their remains."""
    folders = {int(match[1]): path for path in work_dir.iterdir() if (match := FOLDER.fullmatch(path.name))}
    for step in sorted(folders, reverse=True):
        checkpoint = opened(folders[step], step)
        if checkpoint is not None:
            return checkpoint
        remove(folders[step])
    return None


def opened(folder: Path, step: int) -> Checkpoint | None:
    try:
        sealed = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        is_whole = all(sha256_of(folder / name) == sha256 for name, sha256 in sealed["files"].items())
    except (OSError, ValueError, KeyError):
        return None
    return Checkpoint(folder, step, sealed["microBatch"]) if is_whole else None


def discard_all(work_dir: Path) -> None:
    for path in work_dir.iterdir():
        if FOLDER.fullmatch(path.name):
            remove(path)
