"""LoRA supervised fine-tuning with TRL's SFTTrainer, from token ids to a LoRA GGUF.

    rows -> train -> the last checkpoint -> adapter/ -> adapter.gguf
                                                     -> probe-base.f32, probe-adapter.f32

The last checkpoint is the only thing that passes from training to export, so a process that finds it already
there exports the very same bytes, whoever trained it and in how many pieces.
"""

import dataclasses
from typing import Any

import torch
from peft import PeftModel

from . import checkpoints
from .adapter import export_adapter
from .checkpoints import Checkpoint
from .files import sha256_of
from .forgetting import divergence_from_base
from .held_out import is_out_of_patience
from .job import SftJob
from .model import TORCH_DEVICES, load_model, require_device
from .reference import write_log_probabilities, write_rescored_rows
from .resources import peak_memory_bytes
from .rows import rows_without_end
from .train import train_within_memory
from .training_run import Run
from .versions import cpu_computes_bfloat16, package_versions


def run(run: Run) -> dict[str, Any]:
    """Trains what is left to train, exports, returns the result. Asked to stop, it ends the process."""
    job = run.job
    require_device(job.device)
    torch.set_num_threads(job.threads)
    if job.device == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
    run.events.emit("ready", device=job.device, threads=job.threads)

    last = checkpoints.newest(job.work_dir, job.keep)
    if last is None or not is_over(job, last):
        warn(run)
        last = train_within_memory(run, last)
        if run.lifeline.is_stopping:
            run.lifeline.end_process(step=last.step, steps=job.training.steps)

    run.events.enter("export")
    kept = checkpoints.kept(last, job.keep)
    assert kept is not None, f"the best checkpoint up to step {last.step} is gone"
    targets = export_adapter(job, run.inputs, kept)
    run.clock.lap("export")
    run.events.enter("reference")
    forgetting = measure_exported(run)
    run.clock.lap("reference")

    log = last.log()
    return {
        "kind": "sft",
        "method": job.training.method,
        "adapter": "adapter.gguf",
        "sha256": sha256_of(job.work_dir / "adapter.gguf"),
        "modules": len(targets),
        "permuted": sum(target.interleaved_heads is not None for target in targets),
        "weightMismatch": max(target.mismatch for target in targets),
        "steps": last.step,
        "keptStep": kept.step,
        "losses": [
            {"step": entry["step"], "loss": entry["loss"], "learningRate": entry["learning_rate"]}
            for entry in log
        ],
        "heldOutLosses": [dataclasses.asdict(entry) for entry in last.held_out_losses()],
        "forgetting": forgetting,
        "seconds": run.clock.seconds,
        "rows": len(run.inputs.rows),
        "heldOutRows": len(run.inputs.held_out),
        "tokens": sum(entry["tokens"] for entry in log),
        "supervisedTokens": sum(entry["supervised_tokens"] for entry in log),
        "effectiveBatch": job.training.batch,
        "microBatch": last.micro_batch,
        "accumulation": job.training.batch // last.micro_batch,
        "device": job.device,
        "threads": job.threads,
        "peakMemoryBytes": peak_memory_bytes(job.device),
        "versions": package_versions(),
    }


def is_over(job: SftJob, last: Checkpoint) -> bool:
    if job.evaluation and is_out_of_patience(last.held_out_losses(), job.evaluation.patience):
        return True
    return last.step == job.training.steps


def warn(run: Run) -> None:
    """What may be meant, and mostly is not."""
    rows, end = run.inputs.rows, run.inputs.origin.end_of_turn
    without_end = rows_without_end(rows, run.inputs.origin)
    if without_end:
        message = f"{without_end} of {len(rows)} rows do not end with token {end}, the end of a turn."
        hint = "The model will not learn to stop there: end each completion with it."
        run.events.emit("warning", code="rows-without-end", message=message, hint=hint)
    if run.job.device == "cpu" and run.job.training.precision != "float32" and not cpu_computes_bfloat16():
        message = (
            f"This processor has no bfloat16 instructions, and the job asks for {run.job.training.precision}."
        )
        hint = "Use float32: measured, 9 times faster forward and 25 times faster backward."
        run.events.emit("warning", code="slow-precision", message=message, hint=hint)


def measure_exported(run: Run) -> dict[str, Any] | None:
    """What the gates compare the runtime with, from the files that are handed out: log-probabilities without
    and with the adapter, and some rows; and how far the two are apart on neutral texts.
    """
    job = run.job
    model = load_model(job.base, dtype=torch.float32, attention="sdpa").to(TORCH_DEVICES[job.device])
    if job.probe:
        write_log_probabilities(model, job.probe, job.work_dir / "probe-base.f32")
    adapted = PeftModel.from_pretrained(model, job.work_dir / "adapter")
    if job.probe:
        write_log_probabilities(adapted, job.probe, job.work_dir / "probe-adapter.f32")
    write_rescored_rows(adapted, run.inputs.rows, job.work_dir / "rescored.json")
    return divergence_from_base(adapted, job.neutral) if job.neutral else None
