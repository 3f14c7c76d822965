"""Loading an imported folder with transformers."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedModel,
)

from .errors import BadInput

TORCH_DEVICES = {"cpu": "cpu", "cuda": "cuda", "metal": "mps"}


def load_model(folder: Path, *, dtype: torch.dtype, attention: str, **options: Any) -> PreTrainedModel:
    """The imported model on the CPU; safetensors only, no code from anywhere.

    In the file's own dtype it is mapped, not read: a layer is in memory while it computes.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    has_sdpa = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]._supports_sdpa  # noqa: SLF001 (no other way to ask)
    return AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        attn_implementation=attention if has_sdpa else "eager",  # Gemma 2
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        **options,
    )


def require_device(device: str) -> None:
    """An explicit choice never falls back."""
    usable = {
        "cpu": lambda: True,
        "cuda": torch.cuda.is_available,
        "metal": torch.backends.mps.is_available,
    }
    if not usable[device]():
        message = f"The job asks for {device}, and torch {torch.__version__} finds no such device here."
        hint = (
            "`python -m better_together_trainer versions` shows driver and build; or choose another device."
        )
        raise BadInput("device-missing", message, hint)
