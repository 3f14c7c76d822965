"""LoRA supervised fine-tuning with TRL's SFTTrainer, from token ids to a LoRA GGUF.

    rows -> train -> the last checkpoint -> adapter/ -> adapter.gguf
                                                     -> probe-base.f32, probe-adapter.f32

The last checkpoint is the only thing that passes from training to export, so a process that finds it already there
exports the very same bytes, whoever trained it and in how many pieces.
"""

import gc
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast, PrinterCallback, TrainerCallback, set_seed
from trl import SFTConfig, SFTTrainer

from . import checkpoints
from .checkpoints import Checkpoint
from .clock import Clock
from .errors import CheckFailed, OutOfMemory
from .events import Events
from .files import partial, publish, remove, sha256_of, write_json
from .imported import WEIGHTS
from .job import SftJob
from .lifeline import Lifeline
from .lora_gguf import Target, adapter_modules, check_exportable, match_targets, write_lora_gguf
from .model import TORCH_DEVICES, load_model, require_device
from .reference import write_log_probabilities
from .resources import peak_memory_bytes
from .prepare import SftInputs
from .rows import Row, rows_without_end
from .versions import package_versions

IGNORED = -100  # the label of a token that is not learned
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class Run:
    """One training job under way."""

    job: SftJob
    inputs: SftInputs
    events: Events
    lifeline: Lifeline
    clock: Clock = field(default_factory=Clock)


def run(run: Run) -> dict[str, Any]:
    """Trains what is left to train, exports, and returns the result. Ends the process if it is asked to stop."""
    job = run.job
    require_device(job.device)
    torch.set_num_threads(job.threads)
    if job.device == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
    run.events.emit("ready", device=job.device, threads=job.threads)

    checkpoint = checkpoints.newest(job.work_dir)
    if checkpoint is None or checkpoint.step < job.training.steps:
        warn_about_rows_without_end(run)
        checkpoint = train_within_memory(run, checkpoint)
        if run.lifeline.is_stopping:
            run.lifeline.end_process(step=checkpoint.step, steps=job.training.steps)

    run.events.enter("export")
    targets = export_adapter(run, checkpoint)
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


def warn_about_rows_without_end(run: Run) -> None:
    count = rows_without_end(run.inputs.rows, run.inputs.origin)
    if count:
        message = f"{count} of {len(run.inputs.rows)} rows do not end with token {run.inputs.origin.end_of_turn}."
        hint = "The model will not learn to stop there. End each completion with the end-of-turn token."
        run.events.emit("warning", code="rows-without-end", message=message, hint=hint)


# -----------------------------------------------------------------------------
# Training.


def train_within_memory(run: Run, checkpoint: Checkpoint | None) -> Checkpoint:
    """Halves the micro batch, from the start, for as long as memory does not suffice. The effective batch stays."""
    batch = run.job.training.batch
    micro_batch = checkpoint.micro_batch if checkpoint else run.job.training.micro_batch
    while True:
        try:
            return train(run, micro_batch, checkpoint)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler, which keeps the frames and with them the model and its activations.
        gc.collect()
        torch.cuda.empty_cache()
        if micro_batch == 1:
            message = "One row at a time does not fit into memory."
            raise OutOfMemory("out-of-memory", message, "Train fewer topLayers, shorter rows or a smaller model.")
        # transformers' own auto_find_batch_size changes the effective batch, and with it the training.
        micro_batch = max(size for size in range(1, micro_batch // 2 + 1) if batch % size == 0)
        message = f"Out of memory: training starts again with micro batches of {micro_batch}."
        run.events.emit("warning", code="out-of-memory", message=message, microBatch=micro_batch)
        checkpoints.discard_all(run.job.work_dir)
        checkpoint = None


def is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # Only CUDA has a class for it.
    return "MPS backend out of memory" in str(error) or "DefaultCPUAllocator" in str(error)


def train(run: Run, micro_batch: int, checkpoint: Checkpoint | None) -> Checkpoint:
    """Trains up to the last step, or to the step in which a stop arrives; returns the checkpoint it ended with."""
    job = run.job
    run.events.enter("load")
    # Before LoRA's A is drawn: two runs without it gave two adapters (reference/trainer.md, 3).
    set_seed(job.seed)
    weights = torch.bfloat16 if job.training.precision == "bfloat16" else torch.float32
    # On a CPU bfloat16 in sdpa is the slowest choice, eager with autocast the fastest (reference/smollm2.md, 2).
    attention = "eager" if job.device == "cpu" else "sdpa"
    base = load_model(job.base, dtype=weights, attention=attention)
    lora = lora_config(job, base)
    # Before and not after the training, whose hours a wrong base would waste.
    match_targets(target_modules(base, lora), run.inputs.gguf, base.config.to_dict(), trained_weights(job.base))
    model = get_peft_model(base, lora)
    if job.start_adapter is not None:
        load_start_adapter(model, lora, job.start_adapter)

    trainer = RowTrainer(
        events=run.events,
        model=model,
        args=training_arguments(job, micro_batch),
        train_dataset=as_dataset(run.inputs.rows),
        data_collator=collate,
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
    assert reached is not None, "training ended without a checkpoint"
    assert reached.step == trainer.state.global_step, f"{reached.step} is not step {trainer.state.global_step}"
    return reached


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

    def __init__(self, *, events: Events, **options: Any) -> None:  # noqa: ANN401 (SFTTrainer's own)
        super().__init__(**options)
        self.events = events
        self.tokens_of_step = 0
        self.supervised_tokens_of_step = 0
        self.trained_tokens = 0
        self.trained_steps = 0  # by this process
        self.started = time.monotonic()

    def compute_loss(self, model: nn.Module, inputs: dict[str, torch.Tensor], *args: Any, **options: Any) -> Any:  # noqa: ANN401
        self.tokens_of_step += int(inputs["attention_mask"].sum())
        self.supervised_tokens_of_step += int((inputs["labels"] != IGNORED).sum())
        return super().compute_loss(model, inputs, *args, **options)

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

    def create_model_card(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Writes none: the work folder holds what the job promises."""


class Saving(TrainerCallback):
    """Seals each checkpoint, and ends the training after the step in which a stop arrives."""

    def __init__(self, run: Run, micro_batch: int) -> None:
        self.run = run
        self.micro_batch = micro_batch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        if self.run.lifeline.is_stopping:
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
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


def collate(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Pads on the right. Which id pads is of no consequence: the mask hides it and no label asks for it."""
    longest = max(len(row["input_ids"]) for row in batch)

    def padded(lists: list[list[int]], filler: int) -> torch.Tensor:
        return torch.tensor([ids + [filler] * (longest - len(ids)) for ids in lists])  # (B, T)

    return {
        "input_ids": padded([row["input_ids"] for row in batch], 0),
        "labels": padded([row["labels"] for row in batch], IGNORED),
        "attention_mask": padded([[1] * len(row["input_ids"]) for row in batch], 0),
    }


def placeholder_tokenizer() -> PreTrainedTokenizerFast:
    """SFTTrainer insists on a tokenizer. With ready ids and our own collator it never uses it."""
    empty = Tokenizer(WordLevel({"<pad>": 0}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=empty, pad_token="<pad>")


def lora_config(job: SftJob, base: PreTrainedModel) -> LoraConfig:
    """All linear layers of the top decoder layers; never the head or the embeddings, which cannot be served."""
    layers = base.config.num_hidden_layers
    top = job.lora.top_layers or layers
    kinds = {name.rpartition(".")[2] for name, part in base.named_modules() if is_block_matrix(name, part)}
    return LoraConfig(
        r=job.lora.rank,
        lora_alpha=job.lora.alpha,
        lora_dropout=job.lora.dropout,
        use_rslora=job.lora.rs_lora,
        target_modules=sorted(kinds),
        layers_to_transform=list(range(layers - top, layers)),
        layers_pattern="layers",
        task_type="CAUSAL_LM",
    )


def is_block_matrix(name: str, part: nn.Module) -> bool:
    return isinstance(part, nn.Linear) and name.startswith("model.layers.")


def target_modules(base: PreTrainedModel, lora: LoraConfig) -> list[str]:
    chosen = set(lora.layers_to_transform)
    return [
        name
        for name, part in base.named_modules()
        if is_block_matrix(name, part) and int(name.split(".")[2]) in chosen
    ]


def load_start_adapter(model: PeftModel, lora: LoraConfig, folder: Path) -> None:
    """Continues an adapter of the same shape; another rank or other layers would silently be another training."""
    start = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    check_exportable(start)
    asked = json.loads(json.dumps(lora.to_dict(), default=sorted))
    shape = ("r", "lora_alpha", "use_rslora", "target_modules", "layers_to_transform")
    other = [name for name in shape if as_set(start.get(name)) != as_set(asked[name])]
    if other:
        facts = ", ".join(f"{name} {start.get(name)!r} instead of {asked[name]!r}" for name in other)
        raise CheckFailed("start-adapter", f"The start adapter has {facts}.", "Give the job the adapter's own lora.")
    result = set_peft_model_state_dict(model, load_file(folder / ADAPTER_WEIGHTS))
    assert not result.unexpected_keys, f"unexpected in the start adapter: {result.unexpected_keys[:3]}"


def as_set(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    return set(value) if isinstance(value, list) else value


# -----------------------------------------------------------------------------
# What comes out.


def export_adapter(run: Run, checkpoint: Checkpoint) -> list[Target]:
    """checkpoint -> adapter/ and adapter.gguf; the same checkpoint gives the same bytes."""
    job, gguf = run.job, run.inputs.gguf
    folder = job.work_dir / "adapter"
    remove(partial(folder))
    partial(folder).mkdir()
    shutil.copyfile(checkpoint.folder / ADAPTER_WEIGHTS, partial(folder) / ADAPTER_WEIGHTS)
    lora = json.loads((checkpoint.folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    # Named by content, not by a path of this machine; sorted, because PEFT writes sets in any order.
    lora["base_model_name_or_path"] = f"gguf-sha256:{run.inputs.origin.gguf_sha256}"
    lora["target_modules"] = sorted(lora["target_modules"])
    write_json(partial(folder) / ADAPTER_CONFIG, lora)
    publish(folder)

    adapter = {name: weight.float().numpy() for name, weight in load_file(folder / ADAPTER_WEIGHTS).items()}
    config = json.loads((job.base / "config.json").read_text(encoding="utf-8"))
    targets = match_targets(adapter_modules(adapter), gguf, config, trained_weights(job.base))
    write_lora_gguf(
        job.work_dir / "adapter.gguf",
        architecture=gguf.architecture,
        lora=lora,
        targets=targets,
        adapter=adapter,
    )
    return targets


def trained_weights(base: Path) -> Callable[[str], np.ndarray]:
    """The frozen weights, one module at a time, from the file that the training loads."""
    file = safe_open(base / WEIGHTS, framework="pt")
    return lambda module: file.get_tensor(f"{module}.weight").float().numpy()


def write_references(job: SftJob) -> None:
    """Log-probabilities without and with the adapter, read back from the files that are handed out."""
    model = load_model(job.base, dtype=torch.float32, attention="sdpa").to(TORCH_DEVICES[job.device])
    write_log_probabilities(model, job.probe, job.work_dir / "probe-base.f32")
    adapted = PeftModel.from_pretrained(model, job.work_dir / "adapter")
    write_log_probabilities(adapted, job.probe, job.work_dir / "probe-adapter.f32")
