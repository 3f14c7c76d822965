"""LoRA supervised fine-tuning with TRL's SFTTrainer, from token ids to a LoRA GGUF.

    rows -> train -> the last checkpoint -> adapter/ -> adapter.gguf
                                                     -> probe-base.f32, probe-adapter.f32

The last checkpoint is the only thing that passes from training to export, so a process that finds it already
there exports the very same bytes, whoever trained it and in how many pieces.
"""

import gc
import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import PretrainedConfig, PreTrainedTokenizerFast, PrinterCallback, TrainerCallback, set_seed
from trl import SFTConfig, SFTTrainer

from . import checkpoints
from .adapter import export_adapter, load_start_adapter, lora_config, target_modules, trained_weights
from .checkpoints import Checkpoint
from .clock import Clock
from .errors import CheckFailed, OutOfMemory, is_out_of_memory
from .events import Events
from .files import sha256_of
from .job import SftJob
from .lifeline import Lifeline
from .lora_gguf import match_targets
from .model import TORCH_DEVICES, load_model, require_device
from .packing import IGNORED, collate, pad
from .prepare import SftInputs
from .reference import write_log_probabilities
from .resources import peak_memory_bytes
from .rows import Row, rows_without_end
from .versions import cpu_computes_bfloat16, package_versions


@dataclass(frozen=True)
class Run:
    """One training job under way."""

    job: SftJob
    inputs: SftInputs
    events: Events
    lifeline: Lifeline
    clock: Clock = field(default_factory=Clock)


def run(run: Run) -> dict[str, Any]:
    """Trains what is left to train, exports, returns the result. Asked to stop, it ends the process."""
    job = run.job
    require_device(job.device)
    torch.set_num_threads(job.threads)
    if job.device == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
    run.events.emit("ready", device=job.device, threads=job.threads)

    checkpoint = checkpoints.newest(job.work_dir)
    if checkpoint is None or checkpoint.step < job.training.steps:
        warn(run)
        checkpoint = train_within_memory(run, checkpoint)
        if run.lifeline.is_stopping:
            run.lifeline.end_process(step=checkpoint.step, steps=job.training.steps)

    run.events.enter("export")
    targets = export_adapter(job, run.inputs, checkpoint)
    run.clock.lap("export")
    if job.probe:
        run.events.enter("reference")
        write_references(job)
        run.clock.lap("reference")

    log = checkpoint.log()
    return {
        "kind": "sft",
        "adapter": "adapter.gguf",
        "sha256": sha256_of(job.work_dir / "adapter.gguf"),
        "modules": len(targets),
        "permuted": sum(target.interleaved_heads is not None for target in targets),
        "weightMismatch": max(target.mismatch for target in targets),
        "steps": checkpoint.step,
        "losses": [{"step": entry["step"], "loss": entry["loss"]} for entry in log],
        "seconds": run.clock.seconds,
        "rows": len(run.inputs.rows),
        "tokens": sum(entry["tokens"] for entry in log),
        "supervisedTokens": sum(entry["supervised_tokens"] for entry in log),
        "effectiveBatch": job.training.batch,
        "microBatch": checkpoint.micro_batch,
        "accumulation": job.training.batch // checkpoint.micro_batch,
        "device": job.device,
        "threads": job.threads,
        "peakMemoryBytes": peak_memory_bytes(job.device),
        "versions": package_versions(),
    }


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


# -----------------------------------------------------------------------------
# Training.


def train_within_memory(run: Run, checkpoint: Checkpoint | None) -> Checkpoint:
    """Out of memory: begins again with half the micro batch and the same effective batch."""
    batch = run.job.training.batch
    micro_batch = checkpoint.micro_batch if checkpoint else run.job.training.micro_batch
    while True:
        try:
            return train(run, micro_batch, checkpoint)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler, which keeps the frames and with them the model and its activations.
        gc.collect()
        torch.cuda.empty_cache()
        if micro_batch == 1:
            message = "One row at a time does not fit into memory."
            hint = "Train fewer topLayers, shorter rows or a smaller model."
            raise OutOfMemory("out-of-memory", message, hint)
        # transformers' own auto_find_batch_size changes the effective batch, and with it the training.
        micro_batch = max(size for size in range(1, micro_batch // 2 + 1) if batch % size == 0)
        message = f"Out of memory: training starts again with micro batches of {micro_batch}."
        run.events.emit("warning", code="out-of-memory", message=message, microBatch=micro_batch)
        checkpoints.discard_all(run.job.work_dir)
        checkpoint = None


def train(run: Run, micro_batch: int, checkpoint: Checkpoint | None) -> Checkpoint:
    """Trains to the last step, or to the one in which a stop arrives; returns its checkpoint."""
    job = run.job
    run.events.enter("load")
    # Before LoRA's A is drawn: without it, two equal runs gave two adapters.
    set_seed(job.seed)
    weights = torch.bfloat16 if job.training.precision == "bfloat16" else torch.float32
    # sdpa needs no (T, T) matrix in memory; but in bfloat16 on a CPU it was the slowest choice of all.
    is_slow_with_sdpa = job.device == "cpu" and job.training.precision != "float32"
    attention = "eager" if is_slow_with_sdpa else "sdpa"
    base = load_model(job.base, dtype=weights, attention=attention)
    lora = lora_config(job, base)
    # Before the training, and not only at its export, because a wrong base would waste all of it.
    touched = target_modules(base, lora)
    match_targets(touched, run.inputs.gguf, base.config.to_dict(), trained_weights(job.base))
    model = get_peft_model(base, lora)
    if job.start_adapter is not None:
        load_start_adapter(model, lora, job.start_adapter)

    trainer = RowTrainer(
        events=run.events,
        model=model,
        args=training_arguments(job, micro_batch),
        train_dataset=as_dataset(run.inputs.rows),
        # A model that sees only a window of the past needs a mask of its own in every layer.
        data_collator=pad if has_window(base.config) else collate,
        processing_class=placeholder_tokenizer(),
        callbacks=[Saving(run, micro_batch)],
    )
    trainer.remove_callback(PrinterCallback)
    run.clock.lap("load")

    run.events.enter("train")
    with run.lifeline.deferring():
        trainer.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
    run.clock.lap("train")
    reached = checkpoints.newest(job.work_dir)
    trained = trainer.state.global_step
    assert reached is not None, f"no whole checkpoint after step {trained}"
    assert reached.step == trained, f"the newest checkpoint is of step {reached.step}, not {trained}"
    return reached


def has_window(config: PretrainedConfig) -> bool:
    return getattr(config, "sliding_window", None) is not None and getattr(config, "use_sliding_window", True)


def training_arguments(job: SftJob, micro_batch: int) -> SFTConfig:
    training = job.training
    return SFTConfig(
        output_dir=str(job.work_dir),
        max_steps=training.steps,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=training.batch // micro_batch,
        learning_rate=training.learning_rate,
        lr_scheduler_type="linear" if training.schedule == "linear" else "constant_with_warmup",
        warmup_steps=training.warmup_steps,
        max_grad_norm=training.max_grad_norm,
        weight_decay=training.weight_decay,
        optim="adamw_torch",
        seed=job.seed,
        data_seed=job.seed,
        use_cpu=job.device == "cpu",
        bf16=training.precision == "autocast-bf16",
        activation_checkpointing=False,
        # The rows are ready: nothing is tokenised, truncated, packed or dropped.
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=job.device == "cuda",
        logging_steps=1,
        # By default a NaN is logged as the mean of the losses before it.
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=training.checkpoint_steps,
        # Two: the older one goes only after the newer one is written, and before it is sealed.
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
    )


class RowTrainer(SFTTrainer):
    """SFTTrainer that counts tokens and reports every step."""

    def __init__(self, *, events: Events, **options: Any) -> None:
        super().__init__(**options)
        self.events = events
        self.tokens_of_step = 0
        self.supervised_tokens_of_step = 0
        self.trained_tokens = 0
        self.trained_steps = 0  # by this process
        self.started = time.monotonic()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Cross-entropy of the learned tokens, with logits for nothing else.

        TRL's fused head works in chunks of 256 tokens: with thirty learned tokens a step it took 40 % of
        the time.
        """
        self.tokens_of_step += int(inputs.pop("row_tokens"))
        targets = inputs.pop("labels")[:, 1:]  # (B, T-1): what follows each token
        learned = int((targets != IGNORED).sum())
        self.supervised_tokens_of_step += learned
        places = (targets != IGNORED).any(dim=0).nonzero().flatten()  # (K,)
        outputs = model(**inputs, use_cache=False, logits_to_keep=places)
        logits = outputs.logits.float().flatten(0, 1)  # (B*K, V)
        total = cross_entropy(logits, targets[:, places].flatten(), ignore_index=IGNORED, reduction="sum")
        # Over the whole batch, which may come in several micro batches and on several devices.
        loss = total / (learned if num_items_in_batch is None else num_items_in_batch)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:  # of a step; the summary at the end has none
            # Into the log, because the log is in the checkpoint: sums survive a resume.
            logs["tokens"], self.tokens_of_step = self.tokens_of_step, 0
            logs["supervised_tokens"], self.supervised_tokens_of_step = self.supervised_tokens_of_step, 0
            self.report(logs)
        super().log(logs, start_time)

    def report(self, logs: dict[str, float]) -> None:
        step, steps = self.state.global_step, self.state.max_steps
        if not math.isfinite(logs["loss"]):
            message = f"The loss of step {step} is {logs['loss']}."
            raise CheckFailed("loss-not-finite", message, "Lower the learning rate or train in float32.")
        self.trained_steps += 1
        self.trained_tokens += int(logs["tokens"])
        elapsed = time.monotonic() - self.started
        self.events.emit(
            "progress",
            step=step,
            steps=steps,
            loss=logs["loss"],
            tokensPerSecond=round(self.trained_tokens / elapsed, 1),
            secondsLeft=round(elapsed / self.trained_steps * (steps - step), 1),
        )

    def create_model_card(self, *args: Any, **options: Any) -> None:
        """Writes none: the work folder holds what the job promises."""


class Saving(TrainerCallback):
    """Seals each checkpoint, and ends the training after the step in which a stop arrives."""

    def __init__(self, run: Run, micro_batch: int) -> None:
        self.run = run
        self.micro_batch = micro_batch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if self.run.lifeline.is_stopping:
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        checkpoints.seal(self.run.job.work_dir, state.global_step, self.micro_batch)
        self.run.events.emit("checkpoint", step=state.global_step)


# -----------------------------------------------------------------------------
# What goes into the trainer.


def as_dataset(rows: list[Row]) -> Dataset:
    return Dataset.from_dict(
        {
            "input_ids": [row.prompt_ids + row.completion_ids for row in rows],
            "labels": [[IGNORED] * len(row.prompt_ids) + row.completion_ids for row in rows],
        }
    )


def placeholder_tokenizer() -> PreTrainedTokenizerFast:
    """SFTTrainer insists on a tokenizer. With ready ids and our own collator it never uses it."""
    empty = Tokenizer(WordLevel({"<pad>": 0}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=empty, pad_token="<pad>")


# -----------------------------------------------------------------------------
# What comes out.


def write_references(job: SftJob) -> None:
    """Log-probabilities without and with the adapter, read back from the files that are handed out."""
    model = load_model(job.base, dtype=torch.float32, attention="sdpa").to(TORCH_DEVICES[job.device])
    write_log_probabilities(model, job.probe, job.work_dir / "probe-base.f32")
    adapted = PeftModel.from_pretrained(model, job.work_dir / "adapter")
    write_log_probabilities(adapted, job.probe, job.work_dir / "probe-adapter.f32")
