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
from .held_out import HeldOutLoss, best_step, held_out_losses

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
        return [entry for entry in self._history() if "loss" in entry]

    def held_out_losses(self) -> list[HeldOutLoss]:
        return held_out_losses(self._history())

    def _history(self) -> list[dict[str, Any]]:
        return json.loads((self.folder / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]


def seal(work_dir: Path, step: int, micro_batch: int) -> Checkpoint:
    folder = folder_of(work_dir, step)
    for name in UNUSED:
        remove(folder / name)
    files = {file.name: sha256_of(file) for file in sorted(folder.iterdir())}
    write_json(folder / SEAL, {"files": files, "microBatch": micro_batch})
    return Checkpoint(folder, step, micro_batch)


def newest(work_dir: Path, keep: str) -> Checkpoint | None:
    """The newest whole checkpoint. Broken ones go, so that Trainer does not write into their remains.

    Where the best is kept, one whose best was lost is as good as broken.
    """
    for step in sorted(steps(work_dir), reverse=True):
        checkpoint = opened(work_dir, step)
        if checkpoint is not None and kept(checkpoint, keep) is not None:
            return checkpoint
        remove(folder_of(work_dir, step))
    return None


def kept(last: Checkpoint, keep: str) -> Checkpoint | None:
    """The checkpoint whose weights are handed out after `last`: it, or the best up to it."""
    losses = last.held_out_losses()
    if keep == "last" or not losses or best_step(losses) == last.step:
        return last
    return opened(last.folder.parent, best_step(losses))


def discard_others(last: Checkpoint, keep: str) -> None:
    """Leaves the newest checkpoint and the one that is kept so far. The newest has its seal by now."""
    best = kept(last, keep)
    for step in steps(last.folder.parent) - {last.step, best.step if best else last.step}:
        remove(folder_of(last.folder.parent, step))


def discard_all(work_dir: Path) -> None:
    for step in steps(work_dir):
        remove(folder_of(work_dir, step))


def opened(work_dir: Path, step: int) -> Checkpoint | None:
    folder = folder_of(work_dir, step)
    try:
        sealed = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        is_whole = all(sha256_of(folder / name) == sha256 for name, sha256 in sealed["files"].items())
    except (OSError, ValueError, KeyError):
        return None
    return Checkpoint(folder, step, sealed["microBatch"]) if is_whole else None


def steps(work_dir: Path) -> set[int]:
    return {int(match[1]) for path in work_dir.iterdir() if (match := FOLDER.fullmatch(path.name))}


def folder_of(work_dir: Path, step: int) -> Path:
    return work_dir / f"checkpoint-{step}"
