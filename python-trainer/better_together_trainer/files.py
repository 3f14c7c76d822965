"""Files that are either whole or not there: written under another name, flushed, renamed."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from .errors import DiskFull


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def partial(path: Path) -> Path:
    """Where `path` is written before it is renamed; a fixed name, so the next try replaces a killed one's."""
    return path.with_name(f"{path.name}.partial")


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    partial(path).write_text(text + "\n", encoding="utf-8")
    publish(path)


def publish(path: Path) -> None:
    """Makes the finished `partial(path)`, a file or a folder, appear as `path`."""
    source = partial(path)
    for file in source.rglob("*") if source.is_dir() else [source]:
        flush_to_disk(file)
    if path.is_dir():  # which a rename replaces only where it is empty
        remove(path)
    source.replace(path)
    flush_to_disk(path.parent)


def flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_space(path: Path, needed_bytes: int) -> None:
    """Refuses to start what would fill the disk; the folders on the way to `path` need not be there yet."""
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        message = f"{path} needs {gigabytes(needed_bytes)} of disk space; {gigabytes(free_bytes)} are free."
        raise DiskFull("disk-full", message, "Make room there and run it again.")


def gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def remove(path: Path) -> None:
    """Removes a file or a folder that may not be there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
