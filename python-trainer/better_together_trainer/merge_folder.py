"""Imported base + PEFT adapter -> a Hugging Face folder with both in its weights, such as vLLM serves.

The matrices come one by one from the imported folder, so an 8B model needs the memory of its largest. The
tokenizer comes from the GGUF, and only where it gives llama.cpp's own token ids.
"""

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from .errors import CheckFailed
from .events import Events
from .files import gigabytes, partial, publish, remove, require_space, sha256_of, write_json
from .imported import WEIGHTS, Origin, read_origin
from .job import MergeFolderJob
from .lora_gguf import adapter_modules, check_exportable
from .prepare import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from .safetensors_file import write_safetensors
from .tokenizer_file import write_tokenizer

OTHER_BASE = "Name the GGUF that the adapter was trained on, and the folder that was imported from it."


def run(job: MergeFolderJob, events: Events) -> dict[str, Any]:
    started = time.monotonic()
    torch.set_num_threads(job.threads)
    origin = read_origin(job.base)
    if sha256_of(job.gguf) != origin.gguf_sha256:
        message = f"{job.base} was not imported from {job.gguf.name}, but from GGUF {origin.gguf_sha256}."
        raise CheckFailed("other-base", message, OTHER_BASE)
    lora = json.loads((job.adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    check_adapter(lora, origin)
    dtype = getattr(torch, job.dtype)
    folder = job.work_dir / "merged"
    needed_bytes = origin.parameters * dtype.itemsize
    events.enter(f"merge, {gigabytes(needed_bytes)} of disk")
    require_space(folder, needed_bytes)

    remove(partial(folder))  # of a merge that was killed
    partial(folder).mkdir(parents=True)
    touched = write_weights(job, lora, partial(folder) / WEIGHTS, dtype)
    config = json.loads((job.base / "config.json").read_text(encoding="utf-8"))
    write_json(partial(folder) / "config.json", config | {"dtype": job.dtype})
    events.enter("tokenizer")
    tokenizer = write_tokenizer(job.gguf, partial(folder), job.tokenizer_probe)
    publish(folder)
    return {
        "kind": "merge-folder",
        "merged": folder.name,
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
        "touched": touched,
        "tokenizer": tokenizer,
        "seconds": round(time.monotonic() - started, 2),
    }


def check_adapter(lora: dict[str, Any], origin: Origin) -> None:
    check_exportable(lora)
    trained_on = lora.get("base_model_name_or_path")
    if trained_on != f"gguf-sha256:{origin.gguf_sha256}":
        message = f"The adapter was trained on {trained_on}, not on GGUF {origin.gguf_sha256}."
        raise CheckFailed("other-base", message, OTHER_BASE)


def write_weights(job: MergeFolderJob, lora: dict[str, Any], target: Path, dtype: torch.dtype) -> int:
    """Returns how many matrices the adapter has changed."""
    base = safe_open(job.base / WEIGHTS, framework="pt")
    shapes = {name: tuple(base.get_slice(name).get_shape()) for name in base.keys()}  # noqa: SIM118 (no dict)
    adapter = load_file(job.adapter / ADAPTER_WEIGHTS)
    modules = adapter_modules(adapter)
    missing = [module for module in modules if f"{module}.weight" not in shapes]
    if missing:
        message = f"The adapter touches {', '.join(missing[:3])}, which {job.base} does not have."
        raise CheckFailed("adapter-target", message, OTHER_BASE)
    scale = lora["lora_alpha"] / (math.sqrt(lora["r"]) if lora.get("use_rslora") else lora["r"])

    def merged(name: str) -> torch.Tensor:
        weight = base.get_tensor(name).float()
        module = name.removesuffix(".weight")
        if module not in modules:
            return weight
        a, b = (adapter[f"base_model.model.{module}.lora_{side}.weight"].float() for side in "AB")
        return weight + scale * (b @ a)

    write_safetensors(target, shapes, dtype, merged)
    return len(modules)
