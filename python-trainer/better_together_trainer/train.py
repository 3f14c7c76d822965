"""From the rows, or from a checkpoint on, to the last step: model, adapter and trainer put together."""

import gc

import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model
from transformers import PrinterCallback, set_seed

from . import checkpoints
from .adapter import load_start_adapter, lora_config, match_base, target_modules
from .batches import collator_for, order_of
from .checkpoints import Checkpoint
from .dataset import as_dataset, placeholder_tokenizer
from .errors import OutOfMemory, is_out_of_memory
from .model import TORCH_DEVICES, load_model
from .objective import AnswerLoss
from .preference import Collate, PairCollator, PreferenceLoss, answers_of, with_reference
from .qlora import load_in_4bit
from .row_trainer import RowTrainer
from .saving import Saving
from .training_arguments import training_arguments
from .training_run import Run


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
    is_whole = job.training.quantization == "none"
    base = (
        load_model(job.base, dtype=weights, attention=attention)
        if is_whole
        else load_in_4bit(job.base, attention=attention)
    )
    lora = lora_config(job, base)
    # Before the training, and not only at its export, because a wrong base would waste all of it.
    touched = target_modules(base, lora)
    match_base(touched, base.config.to_dict(), job.base, run.inputs.gguf, run.inputs.origin)
    rows, held_out = as_dataset(run.inputs.rows), as_dataset(run.inputs.held_out)
    run.clock.lap("load")
    is_pairs = job.training.method == "dpo"
    answers = answers_of if is_pairs else list
    collator = collator_for(run, base, answers(rows), answers(held_out))
    model = get_peft_model(base, lora)
    if job.start_adapter is not None:
        load_start_adapter(model, lora, job.start_adapter)
    if is_pairs:
        collator = PairCollator(collator)
        rows, held_out = (referred(run, pairs, model, collator, micro_batch) for pairs in (rows, held_out))

    trainer = RowTrainer(
        events=run.events,
        objective=PreferenceLoss(job.training.beta) if is_pairs else AnswerLoss(),
        model=model,
        args=training_arguments(job, micro_batch),
        train_dataset=rows,
        held_out=held_out,
        data_collator=collator,
        # Two answers of a pair are of two lengths: pairs come in the usual order.
        order=None if is_pairs else order_of(base.config, list(rows), job.training, job.seed),
        processing_class=placeholder_tokenizer(),
        callbacks=[Saving(run, micro_batch)],
    )
    trainer.remove_callback(PrinterCallback)
    run.clock.lap("load")

    run.events.enter("train")
    with run.lifeline.deferring():
        trainer.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
    run.clock.lap("train")
    reached = checkpoints.newest(job.work_dir, job.keep)
    trained = trainer.state.global_step
    assert reached is not None, f"no whole checkpoint after step {trained}"
    assert reached.step == trained, f"the newest checkpoint is of step {reached.step}, not {trained}"
    return reached


def referred(run: Run, pairs: Dataset, model: PeftModel, collate: Collate, micro_batch: int) -> Dataset:
    device = TORCH_DEVICES[run.job.device]
    run.events.enter("reference of the pairs")
    with torch.autocast(device, dtype=torch.bfloat16, enabled=run.job.training.precision == "autocast-bf16"):
        return with_reference(pairs, model.to(device), collate, micro_batch)
