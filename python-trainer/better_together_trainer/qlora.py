"""The base in 4 bits, for QLoRA. Not run by any test: it needs CUDA, which no machine of this project has."""

from pathlib import Path

import torch
from peft import prepare_model_for_kbit_training
from transformers import BitsAndBytesConfig, PreTrainedModel

from .model import load_model


def load_in_4bit(folder: Path, *, attention: str) -> PreTrainedModel:
    """The imported model on the GPU: NF4 with double quantisation, all that is no matrix in float32."""
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    on_gpu = {"quantization_config": config, "device_map": {"": 0}}
    model = load_model(folder, dtype=torch.bfloat16, attention=attention, **on_gpu)
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
