"""The job's settings in TRL's words."""

from trl import SFTConfig

from .job import SftJob

# Each after the warm-up; linear and cosine go down to 0 at the last step.
SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def training_arguments(job: SftJob, micro_batch: int) -> SFTConfig:
    training = job.training
    return SFTConfig(
        output_dir=str(job.work_dir),
        max_steps=training.steps,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=training.batch // micro_batch,
        learning_rate=training.learning_rate,
        lr_scheduler_type=SCHEDULES[training.schedule],
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
        remove_unused_columns=False,
        dataloader_pin_memory=job.device == "cuda",
        logging_steps=1,
        # By default a NaN is logged as the mean of the losses before it.
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=training.checkpoint_steps,
        report_to="none",
        disable_tqdm=True,
    )
