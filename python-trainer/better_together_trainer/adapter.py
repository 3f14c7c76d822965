"""The adapter: its shape, what it starts from, and how it leaves, as a PEFT folder and as a LoRA GGUF."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peft import LoraConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel

from .checkpoints import Checkpoint
from .errors import CheckFailed
from .files import partial, publish, remove, write_json
from .gguf_file import Gguf
from .imported import WEIGHTS, Origin
from .job import SftJob
from .lora_gguf import (
    FOLDER_TOLERANCE,
    TOLERANCE,
    Target,
    adapter_modules,
    check_exportable,
    match_targets,
    write_lora_gguf,
)
from .prepare import ADAPTER_CONFIG, ADAPTER_WEIGHTS, SftInputs
from .targets import chosen_kinds, linear_kinds


def lora_config(job: SftJob, base: PreTrainedModel) -> LoraConfig:
    """Linear layers of the top decoder layers; never head or embeddings, which llama.cpp cannot adapt."""
    layers = base.config.num_hidden_layers
    top = job.lora.top_layers or layers
    return LoraConfig(
        r=job.lora.rank,
        lora_alpha=job.lora.alpha,
        lora_dropout=job.lora.dropout,
        use_rslora=job.lora.rs_lora,
        target_modules=chosen_kinds(job.lora.targets, linear_kinds(job.base)),
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
        if is_block_matrix(name, part)
        and name.rpartition(".")[2] in lora.target_modules
        and int(name.split(".")[2]) in chosen
    ]


def load_start_adapter(model: PeftModel, lora: LoraConfig, folder: Path) -> None:
    """Continues an adapter of the same shape; any other would silently be another training."""
    hint = "Give the job the start adapter's own lora."
    start = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    check_exportable(start)
    asked = json.loads(json.dumps(lora.to_dict(), default=sorted))
    shape = ("r", "lora_alpha", "use_rslora", "target_modules", "layers_to_transform")
    other = [name for name in shape if as_set(start.get(name)) != as_set(asked[name])]
    if other:
        facts = ", ".join(f"{name} {start.get(name)!r} instead of {asked[name]!r}" for name in other)
        raise CheckFailed("start-adapter", f"The start adapter has {facts}.", hint)
    weights = load_file(folder / ADAPTER_WEIGHTS)
    if weights.keys() != get_peft_model_state_dict(model).keys():
        raise CheckFailed("start-adapter", "The start adapter has other tensors than its config says.", hint)
    set_peft_model_state_dict(model, weights)


def as_set(value: Any) -> Any:
    return set(value) if isinstance(value, list) else value


def trained_weights(base: Path) -> Callable[[str], np.ndarray]:
    """The frozen weights, one module at a time, from the file that the training loads."""
    file = safe_open(base / WEIGHTS, framework="pt")
    return lambda module: file.get_tensor(f"{module}.weight").float().numpy()


def match_base(
    modules: list[str], config: dict[str, Any], base: Path, gguf: Gguf, origin: Origin
) -> list[Target]:
    """The GGUF's tensor of each module, if what is trained on are the file's weights; else CheckFailed."""
    tolerance = TOLERANCE if origin.folder_sha256 is None else FOLDER_TOLERANCE
    return match_targets(modules, gguf, config, trained_weights(base), tolerance)


def export_adapter(job: SftJob, inputs: SftInputs, checkpoint: Checkpoint) -> list[Target]:
    """checkpoint -> adapter/ and adapter.gguf; the same checkpoint gives the same bytes."""
    folder = job.work_dir / "adapter"
    remove(partial(folder))
    partial(folder).mkdir()
    shutil.copyfile(checkpoint.folder / ADAPTER_WEIGHTS, partial(folder) / ADAPTER_WEIGHTS)
    lora = json.loads((checkpoint.folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    # Named by content, not by a path of this machine; sorted, because PEFT writes sets in any order.
    lora["base_model_name_or_path"] = f"gguf-sha256:{inputs.origin.gguf_sha256}"
    lora["target_modules"] = sorted(lora["target_modules"])
    write_json(partial(folder) / ADAPTER_CONFIG, lora)
    publish(folder)

    adapter = {name: weight.float().numpy() for name, weight in load_file(folder / ADAPTER_WEIGHTS).items()}
    config = json.loads((job.base / "config.json").read_text(encoding="utf-8"))
    targets = match_base(adapter_modules(adapter), config, job.base, inputs.gguf, inputs.origin)
    write_lora_gguf(
        job.work_dir / "adapter.gguf",
        architecture=inputs.gguf.architecture,
        lora=lora,
        targets=targets,
        adapter=adapter,
    )
    return targets
