"""A Hugging Face folder of the very model that a GGUF file holds, named in place of the file's own weights.

Its weights are those before the file was quantised. Everything that a folder can say wrongly is checked
before any of it is used: code that it wants to run, another model, other tokens, other weights. Whether its
numbers are near enough to the file's decides the parity gate, as for every import.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    Gemma3ForCausalLM,
    LlamaForCausalLM,
    MistralForCausalLM,
    Phi3ForCausalLM,
    PreTrainedConfig,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from .errors import BadInput, CheckFailed
from .gguf_file import Gguf
from .lora_gguf import FOLDER_TOLERANCE, relative_difference

# By model_type: the class, never one that the folder names, and what llama.cpp calls the architecture.
CLASSES = {
    "llama": (LlamaForCausalLM, "llama"),
    "mistral": (MistralForCausalLM, "llama"),
    "qwen2": (Qwen2ForCausalLM, "qwen2"),
    "qwen3": (Qwen3ForCausalLM, "qwen3"),
    "gemma3_text": (Gemma3ForCausalLM, "gemma3"),
    "phi3": (Phi3ForCausalLM, "phi3"),
}
REMEDY = "Name the folder that this GGUF was made from, or none: then the file's own weights are imported."


@dataclass(frozen=True)
class ModelFolder:
    path: Path
    settings: dict[str, Any]  # config.json
    files: dict[str, Path]  # the file of each tensor

    def config(self) -> PreTrainedConfig:
        """The settings in the class of their model_type; classes that the folder names are not looked at."""
        model_class, _ = CLASSES[self.settings["model_type"]]
        return model_class.config_class.from_dict(self.settings)

    def tensor(self, name: str) -> torch.Tensor:
        with safe_open(self.files[name], framework="pt") as file:
            return file.get_tensor(name).float()


def open_folder(path: Path) -> ModelFolder:
    """Reads the settings and the names of the tensors; raises BadInput."""
    try:
        settings = json.loads((path / "config.json").read_text(encoding="utf-8"))
        files = {name: file for file in sorted(path.glob("*.safetensors")) for name in tensor_names(file)}
    except (OSError, ValueError, SafetensorError) as error:
        message = f"{path} cannot be read as a model folder: {error}"
        raise BadInput("bad-folder", message, "It needs a config.json and *.safetensors files.") from None
    code = [name for name in settings if name == "auto_map" or name.startswith("_attn")]
    if code:
        message = f"The config.json of {path} wants code to be run ({', '.join(code)}), which is never done."
        raise BadInput("folder-with-code", message, REMEDY)
    if settings.get("model_type") not in CLASSES:
        message = f"The config.json of {path} has the model_type {settings.get('model_type')!r}."
        raise CheckFailed("unsupported-architecture", message, f"Known here: {', '.join(CLASSES)}.")
    if not files:
        message = f"{path} has no *.safetensors files; other formats can hold code and are not read."
        raise BadInput("bad-folder", message, "Save the model again with safe_serialization=True.")
    return ModelFolder(path, settings, files)


def tensor_names(file: Path) -> list[str]:
    with safe_open(file, framework="pt") as opened:
        return list(opened.keys())


def require_same_model(folder: ModelFolder, gguf: Gguf) -> None:
    _, architecture = CLASSES[folder.settings["model_type"]]
    rows = folder.settings.get("vocab_size")
    if architecture != gguf.architecture:
        raise other(folder, f"is a {architecture} model and {gguf.path.name} a {gguf.architecture} model")
    if rows != gguf.token_count:
        raise other(folder, f"has {rows} embeddings and {gguf.path.name} {gguf.token_count} tokens")
    require_same_tokens(folder, gguf)


def require_same_tokens(folder: ModelFolder, gguf: Gguf) -> None:
    """Every id means the same token on both sides. Cutting text into tokens is the GGUF's business alone."""
    path = folder.path / "tokenizer.json"
    if not path.is_file():
        return  # the embeddings, which are compared like all weights, have the same order then
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    is_list = isinstance(vocabulary, list)  # of pairs of a token and its score, in the order of their ids
    ids = {token: at for at, (token, _) in enumerate(vocabulary)} if is_list else dict(vocabulary)
    ids |= {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}
    tokens = gguf.get("tokenizer.ggml.tokens")
    for token, at in sorted(ids.items(), key=lambda item: item[1]):
        if at >= len(tokens) or tokens[at] != token:
            known = repr(tokens[at]) if at < len(tokens) else "no token"
            raise other(folder, f"has {token!r} as token {at}, and {gguf.path.name} has {known} there")


def require_tensors(folder: ModelFolder, names: set[str]) -> None:
    missing = sorted(names - folder.files.keys())
    if missing:
        raise other(
            folder, f"lacks {len(missing)} of the model's {len(names)} weights ({', '.join(missing[:3])})"
        )


def require_same_weight(name: str, weight: torch.Tensor, of_gguf: torch.Tensor, folder: ModelFolder) -> None:
    if weight.shape != of_gguf.shape:
        shapes = f"{tuple(weight.shape)}, not {tuple(of_gguf.shape)}"
        raise other(folder, f"has {name} in the shape {shapes}")
    difference = relative_difference(weight.numpy(), of_gguf.numpy())
    if not difference <= FOLDER_TOLERANCE:  # also for a NaN
        raise other(
            folder,
            f"has a {name} that differs by {difference:.2g} from the file's, more than {FOLDER_TOLERANCE:g}",
        )


def other(folder: ModelFolder, fact: str) -> CheckFailed:
    return CheckFailed("other-model-folder", f"{folder.path} {fact}.", REMEDY)
