"""All that can be checked without torch: a bad job hears so in a second, and not in ten."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadInput, bad_input_list
from .files import sha256_of, sha256_of_json, write_json
from .gguf_file import Gguf, open_gguf, require_supported
from .imported import Origin, read_origin
from .job import ImportJob, Probe, SftJob, job_as_json
from .quantization import quantization_versions, require_quantization
from .rows import Row, read_rows
from .targets import linear_kinds, refused_targets
from .versions import package_versions

RESULT = "result.json"
JOB_KEY = "job-key.json"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class SftInputs:
    """What a training job names, read and checked."""

    origin: Origin
    gguf: Gguf
    rows: list[Row]
    held_out: list[Row]
    key: str  # equal keys: equal adapters


def prepare_import(job: ImportJob) -> Gguf:
    gguf = open_gguf(job.gguf)
    require_supported(gguf, allow_untested=job.allow_untested_architecture)
    check_probes(job.probe, gguf.token_count, gguf.setting("context_length", 0))
    return gguf


def prepare_sft(job: SftJob) -> SftInputs:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        message = "Several trainer processes were started for one job."
        raise BadInput("several-processes", message, "Start one process; several GPUs are not supported yet.")
    origin = read_origin(job.base)
    if sha256_of(job.gguf) != origin.gguf_sha256:
        message = f"{job.base} was not imported from {job.gguf.name}, but from GGUF {origin.gguf_sha256}."
        raise BadInput("other-base", message, "Name the folder that was imported from the GGUF that runs.")
    check_lora(job, origin)
    require_quantization(job.training.quantization, job.device)
    check_probes(job.probe, origin.vocabulary, origin.context_tokens)
    check_probes(job.neutral, origin.vocabulary, origin.context_tokens, name="neutral")
    gguf = open_gguf(job.gguf)
    method = job.training.method
    rows = read_rows(job.rows, origin, method)
    held_out = read_rows(job.evaluation.rows, origin, method) if job.evaluation else []
    return SftInputs(origin, gguf, rows, held_out, training_key(job, origin))


def check_lora(job: SftJob, origin: Origin) -> None:
    mistakes = refused_targets(job.lora.targets, linear_kinds(job.base))
    if job.lora.top_layers is not None and job.lora.top_layers > origin.layers:
        mistakes.append(f"lora.topLayers is {job.lora.top_layers}; the model has {origin.layers} layers")
    if mistakes:
        hint = "Name layers that the model has, or all of them: targets all, topLayers null."
        raise bad_input_list("bad-job", "The job", mistakes, hint)


def check_probes(probes: Sequence[Probe], vocabulary: int, context_tokens: int, name: str = "probe") -> None:
    mistakes = []
    for index, probe in enumerate(probes):
        largest, length = max(probe.ids), len(probe.ids)
        if largest >= vocabulary:
            mistakes.append(f"{name}[{index}] has token {largest}; the model has {vocabulary}")
        if length > context_tokens:
            mistakes.append(f"{name}[{index}] has {length} tokens; the model's context is {context_tokens}")
    if mistakes:
        raise bad_input_list("bad-job", "The job", mistakes, "Make the probes with the model they are for.")


# -----------------------------------------------------------------------------
# A work folder belongs to one job: running that job again resumes it, or finds it finished.


def training_key(job: SftJob, origin: Origin) -> str:
    """Hash of all that decides the outcome. Paths do not: a run folder may be moved."""
    return sha256_of_json(
        {
            "job": job_as_json(job),
            "rows": sha256_of(job.rows),
            "heldOut": sha256_of(job.evaluation.rows) if job.evaluation else None,
            "base": origin.as_json(),
            "startAdapter": start_adapter_hashes(job.start_adapter),
            "versions": package_versions() | quantization_versions(job.training.quantization),
        }
    )


def start_adapter_hashes(folder: Path | None) -> list[str]:
    if folder is None:
        return []
    files = [folder / ADAPTER_CONFIG, folder / ADAPTER_WEIGHTS]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        message = f"The start adapter {folder} has no {' and no '.join(missing)}."
        raise BadInput("bad-job", message, "Name a PEFT folder, such as the adapter/ of an earlier job.")
    return [sha256_of(file) for file in files]


def claim(work_dir: Path, key: str) -> None:
    """Takes the work folder for a job; raises BadInput if another one has it."""
    note = work_dir / JOB_KEY
    if note.is_file() and read_json(note) != {"key": key}:
        message = f"{work_dir} belongs to another job, to other rows or to other package versions."
        raise BadInput("work-dir-taken", message, "Give each job a workDir of its own.")
    write_json(note, {"key": key})


def finished_result(work_dir: Path) -> dict[str, Any] | None:
    """The result of a job that was finished before, if its adapter is still what the result says."""
    result, adapter = work_dir / RESULT, work_dir / "adapter.gguf"
    if not (result.is_file() and adapter.is_file()):
        return None
    known = read_json(result)
    return known if known.get("sha256") == sha256_of(adapter) else None


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
