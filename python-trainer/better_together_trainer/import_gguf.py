"""GGUF -> a folder that torch can train: the file that runs is the base that is trained.

transformers reads a GGUF whole into memory, as a model that can be neither trained nor saved (it carries a
quantization config), and drops settings without a word. So: its reading of the metadata, with what it drops
put back; then one tensor after the other from file to file, in the row order of its tables, none left out.
What cannot be put back is refused; the last word has the parity gate against llama.cpp, which the parent runs
on `probe.f32`.
"""

import math
import time
from typing import Any

import numpy as np
import torch
from gguf.constants import MODEL_ARCH_NAMES
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor

from .errors import BadInput, CheckFailed
from .events import Events
from .files import gigabytes, partial, publish, remove, require_space, sha256_of, write_json
from .gguf_file import Gguf, Tensor
from .imported import IMPORTER_VERSION, NOTE, WEIGHTS, Origin, read_origin
from .job import ImportJob
from .lora_gguf import gguf_names
from .model import load_model
from .model_folder import ModelFolder, open_folder, require_same_model, require_same_weight, require_tensors
from .reference import write_log_probabilities
from .resources import peak_memory_bytes
from .rope import FREQUENCIES, TWO_SETS, put_back_rope
from .safetensors_file import write_safetensors
from .versions import package_versions

UNKNOWN = "Optimize its prompts only, or use a model of another architecture."
LAYERS_OF_27B = {"gemma2": 46, "gemma3": 62}
# llama.cpp runs these without a window, also where the file names one (phi3).
WITHOUT_WINDOW = ("llama", "qwen2", "qwen3", "phi3")


def run(job: ImportJob, gguf: Gguf, events: Events) -> dict[str, Any]:
    """Imports, or finds the finished import, and writes the reference; returns the result."""
    torch.set_num_threads(job.threads)
    events.emit("ready", device=job.device, threads=job.threads)
    started = time.monotonic()
    events.enter("import")
    gguf_sha256 = sha256_of(job.gguf)
    origin = finished_import(job, gguf_sha256)
    reused = origin is not None
    if origin is None:
        needed_bytes = import_bytes(gguf, job.dtype)
        events.enter(f"import, {gigabytes(needed_bytes)} of disk")
        require_space(job.out, needed_bytes)
        origin = import_folder(job, gguf, gguf_sha256)
    imported = time.monotonic()

    if job.probe:
        events.enter("reference")
        model = load_model(job.out, dtype=torch.float32, attention="sdpa")
        write_log_probabilities(model, job.probe, job.work_dir / "probe.f32")
    return {
        "kind": "import",
        **origin.as_json(),
        "reused": reused,
        "seconds": {
            "import": round(imported - started, 2),
            "reference": round(time.monotonic() - imported, 2),
        },
        "threads": job.threads,
        "peakMemoryBytes": peak_memory_bytes(job.device),
        "versions": package_versions(),
    }


def import_bytes(gguf: Gguf, dtype: str) -> int:
    """What the folder will take; every tensor of the file has one weight in it."""
    return sum(math.prod(tensor.shape) for tensor in gguf.tensors.values()) * getattr(torch, dtype).itemsize


def finished_import(job: ImportJob, gguf_sha256: str) -> Origin | None:
    if not job.out.exists() or not any(job.out.iterdir()):
        return None
    origin = read_origin(job.out)
    folder_sha256 = job.base_folder.sha256 if job.base_folder else None
    if (origin.gguf_sha256, origin.dtype, origin.folder_sha256) != (gguf_sha256, job.dtype, folder_sha256):
        message = f"{job.out} holds an import of GGUF {origin.gguf_sha256[:12]} as {origin.dtype}."
        hint = f"Name another out folder for GGUF {gguf_sha256[:12]} as {job.dtype}."
        raise BadInput("out-taken", message, hint)
    return origin


def import_folder(job: ImportJob, gguf: Gguf, gguf_sha256: str) -> Origin:
    dtype = getattr(torch, job.dtype)
    source = open_folder(job.base_folder.path) if job.base_folder else None
    if source is None:
        config = read_config(gguf)
        put_back_settings(config, gguf)
    else:
        require_same_model(source, gguf)
        config = source.config()
    with torch.device("meta"):  # names and shapes only
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    config = model.config
    config.architectures = [type(model).__name__]
    sources = match_tensors(model, gguf)
    if source is not None:
        require_tensors(source, sources.keys())

    folder = partial(job.out)
    remove(folder)  # of an import that was killed
    folder.mkdir(parents=True)
    order = RowOrder(gguf, config)
    shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items() if name in sources}
    write_safetensors(
        folder / WEIGHTS,
        shapes,
        dtype,
        lambda name: weight_of(name, order.as_in_torch(sources[name]), source),
    )
    config.save_pretrained(folder)
    origin = Origin(
        importer=IMPORTER_VERSION,
        gguf_sha256=gguf_sha256,
        dtype=job.dtype,
        architecture=gguf.architecture,
        layers=config.num_hidden_layers,
        vocabulary=config.vocab_size,
        context_tokens=config.max_position_embeddings,
        end_of_turn=gguf.get("tokenizer.ggml.eos_token_id"),
        parameters=sum(math.prod(shape) for shape in shapes.values()),
        files={file.name: file.stat().st_size for file in sorted(folder.iterdir())},
        folder_sha256=job.base_folder.sha256 if job.base_folder else None,
    )
    write_json(folder / NOTE, origin.as_json())
    publish(job.out)
    return origin


def weight_of(name: str, of_gguf: torch.Tensor, source: ModelFolder | None) -> torch.Tensor:
    if source is None:
        return of_gguf
    weight = source.tensor(name)
    require_same_weight(name, weight, of_gguf, source)
    return weight


def read_config(gguf: Gguf) -> PreTrainedConfig:
    try:
        config = AutoConfig.from_pretrained(gguf.path.parent, gguf_file=gguf.path.name)
    except ValueError as error:  # an architecture of which transformers has no table either
        message = f"{gguf.path.name} cannot be imported: {error}"
        raise CheckFailed("unsupported-architecture", message, UNKNOWN) from error
    if gguf.architecture not in MODEL_ARCH_NAMES.values():
        message = f"{gguf.path.name} cannot be imported: the tensors of {gguf.architecture!r} are not known."
        raise CheckFailed("unsupported-architecture", message, UNKNOWN)
    return config


def put_back_settings(config: PreTrainedConfig, gguf: Gguf) -> None:
    """Settings that the loader's tables lack; what llama.cpp does is the truth."""
    put_back_rope(config, gguf)
    head_size = gguf.setting("attention.key_length", config.hidden_size // config.num_attention_heads)
    config.head_dim = head_size
    rotated = gguf.setting("rope.dimension_count", head_size)
    if rotated != head_size and "partial_rotary_factor" not in config.rope_parameters:
        message = f"{gguf.path.name} rotates {rotated} of the {head_size} numbers of a head."
        raise CheckFailed("unsupported-rope", message, "Use a GGUF of a model that rotates whole heads.")
    if rotated != head_size:
        config.rope_parameters["partial_rotary_factor"] = rotated / head_size
    if hasattr(config, "query_pre_attn_scalar"):  # Gemma; the class's default is right for heads of 256 only
        is_27b = config.num_hidden_layers == LAYERS_OF_27B.get(gguf.architecture)  # as llama.cpp tells it
        per_head = config.hidden_size // config.num_attention_heads
        config.query_pre_attn_scalar = per_head if is_27b else head_size
    has_window = gguf.setting("attention.sliding_window") is not None
    if getattr(config, "sliding_window", None) and (gguf.architecture in WITHOUT_WINDOW or not has_window):
        config.sliding_window = None  # the class's default (Mistral: 4096)


# -----------------------------------------------------------------------------
# Tensors.


def match_tensors(model: PreTrainedModel, gguf: Gguf) -> dict[str, Tensor]:
    """The GGUF tensor of each weight; every tensor has a weight and every weight a tensor."""
    names = gguf_names(gguf.architecture, model.config.num_hidden_layers)
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()  # no tensor of its own
    sources, unfilled = {}, []
    for name in model.state_dict().keys() - tied:
        tensor = gguf.tensors.get(names.get_name(name, try_suffixes=(".weight", ".bias")) or "")
        if tensor is None:
            unfilled.append(name)
        else:
            sources[name] = tensor
    read = {tensor.name for tensor in sources.values()}
    unread = sorted(gguf.tensors.keys() - read - {FREQUENCIES, *TWO_SETS})
    if unread or unfilled:
        facts = [f"{len(unread)} tensors were not read ({', '.join(unread[:3])})"] if unread else []
        shown = ", ".join(sorted(unfilled)[:3])
        facts += [f"{len(unfilled)} weights were not filled ({shown})"] if unfilled else []
        message = f"{gguf.path.name} does not fit {type(model).__name__}: {' and '.join(facts)}."
        raise CheckFailed("unread-tensors", message, "Use a GGUF of a plain model of its architecture.")
    if model.config.vocab_size != gguf.token_count:
        message = f"{gguf.path.name} has {gguf.token_count} tokens and {model.config.vocab_size} embeddings."
        hint = "Export the GGUF again with as many embeddings as tokens."
        raise CheckFailed("vocabulary", message, hint)
    return sources


class RowOrder:
    """GGUF files keep some weights otherwise than torch: llama's q and k rows, Gemma's norms (1 + w)."""

    def __init__(self, gguf: Gguf, config: PreTrainedConfig) -> None:
        self._processor = TENSOR_PROCESSORS.get(gguf.architecture, TensorProcessor)(config=config.to_dict())

    def as_in_torch(self, tensor: Tensor) -> torch.Tensor:
        parts = {"tensor_key_mapping": {}, "parsed_parameters": {"tensors": {}}}
        result = self._processor.process(weights=tensor.as_float32(), name=tensor.name, **parts)
        return torch.from_numpy(np.ascontiguousarray(result.weights))
