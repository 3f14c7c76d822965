"""Loading an imported folder with transformers."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from .errors import BadInput

TORCH_DEVICES = {"cpu": "cpu", "cuda": "cuda", "metal": "mps"}


def load_model(folder: Path, *, dtype: torch.dtype, attention: str) -> PreTrainedModel:
    """The imported model on the CPU; safetensors only, no code from anywhere."""
    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        attn_implementation=attention,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
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
