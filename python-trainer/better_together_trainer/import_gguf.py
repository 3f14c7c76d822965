"""GGUF -> a folder that torch can train: the file that runs is the base that is trained.

transformers reads a GGUF into a model that can be neither trained nor saved (it carries a quantization
config, also for a plain float32 file), and drops settings without a word. So: read, put back what was
dropped, move the weights into a clean model of the same class, save. What cannot be put back is refused, and
not left out; the last word has the parity gate against llama.cpp, which the parent runs on `probe.f32`.
"""

import time
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from .errors import BadInput, CheckFailed
from .events import Events
from .files import partial, publish, remove, sha256_of, write_json
from .gguf_file import Gguf
from .imported import IMPORTER_VERSION, NOTE, Origin, read_origin
from .job import ImportJob
from .lora_gguf import gguf_names
from .model import load_model
from .reference import write_log_probabilities
from .resources import peak_memory_bytes
from .rope import FREQUENCIES, put_back_rope
from .versions import package_versions


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


def finished_import(job: ImportJob, gguf_sha256: str) -> Origin | None:
    if not job.out.exists() or not any(job.out.iterdir()):
        return None
    origin = read_origin(job.out)
    if (origin.gguf_sha256, origin.dtype) != (gguf_sha256, job.dtype):
        message = f"{job.out} holds an import of GGUF {origin.gguf_sha256[:12]} as {origin.dtype}."
        hint = f"Name another out folder for GGUF {gguf_sha256[:12]} as {job.dtype}."
        raise BadInput("out-taken", message, hint)
    return origin


def import_folder(job: ImportJob, gguf: Gguf, gguf_sha256: str) -> Origin:
    source = {"pretrained_model_name_or_path": job.gguf.parent, "gguf_file": job.gguf.name}
    config = AutoConfig.from_pretrained(**source)
    put_back_settings(config, gguf)
    loaded, info = AutoModelForCausalLM.from_pretrained(
        **source, config=config, dtype=getattr(torch, job.dtype), output_loading_info=True
    )
    check_tensors(loaded, gguf, info["missing_keys"])

    clean = clean_copy(loaded)
    folder = partial(job.out)
    remove(folder)  # of an import that was killed
    clean.save_pretrained(folder, max_shard_size="1000GB")  # one file: whoever reads it back needs no index
    origin = Origin(
        importer=IMPORTER_VERSION,
        gguf_sha256=gguf_sha256,
        dtype=job.dtype,
        architecture=gguf.architecture,
        layers=config.num_hidden_layers,
        vocabulary=config.vocab_size,
        context_tokens=config.max_position_embeddings,
        end_of_turn=gguf.get("tokenizer.ggml.eos_token_id"),
        parameters=sum(weight.numel() for weight in clean.parameters()),
        files={file.name: file.stat().st_size for file in sorted(folder.iterdir())},
    )
    write_json(folder / NOTE, origin.as_json())
    publish(job.out)
    return origin


def put_back_settings(config: PreTrainedConfig, gguf: Gguf) -> None:
    """Settings that the loader's tables lack; what llama.cpp does is the truth."""
    put_back_rope(config, gguf)
    head_size = gguf.setting("attention.key_length", config.hidden_size // config.num_attention_heads)
    config.head_dim = head_size
    rotated = gguf.setting("rope.dimension_count", head_size)
    if rotated != head_size:
        message = f"{gguf.path.name} rotates {rotated} of the {head_size} numbers of a head."
        raise CheckFailed("unsupported-rope", message, "Use a GGUF of a model that rotates whole heads.")
    if hasattr(config, "query_pre_attn_scalar"):  # Gemma; the class's default is right for heads of 256 only
        is_27b = config.num_hidden_layers == 62  # as llama.cpp tells it
        per_head = config.hidden_size // config.num_attention_heads
        config.query_pre_attn_scalar = per_head if is_27b else head_size
    if getattr(config, "sliding_window", None) and gguf.setting("attention.sliding_window") is None:
        config.sliding_window = None  # the class's default (Mistral: 4096), which llama.cpp does not know


def check_tensors(model: PreTrainedModel, gguf: Gguf, missing: list[str]) -> None:
    """Every tensor was read and every weight came from the file; the loader checks neither."""
    names = gguf_names(gguf.architecture, model.config.num_hidden_layers)
    known = {names.get_name(name, try_suffixes=(".weight", ".bias")) for name in model.state_dict()}
    unread = sorted(gguf.tensors.keys() - known - {FREQUENCIES})
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()  # no tensor of its own
    unfilled = sorted(set(missing) - tied)
    if unread or unfilled:
        facts = [f"{len(unread)} tensors were not read ({', '.join(unread[:3])})"] if unread else []
        facts += [f"{len(unfilled)} weights were not filled ({', '.join(unfilled[:3])})"] if unfilled else []
        message = f"{gguf.path.name} does not fit {type(model).__name__}: {' and '.join(facts)}."
        raise CheckFailed("unread-tensors", message, "Use a GGUF of a plain model of its architecture.")
    if model.config.vocab_size != gguf.token_count:
        message = f"{gguf.path.name} has {gguf.token_count} tokens and {model.config.vocab_size} embeddings."
        hint = "Export the GGUF again with as many embeddings as tokens."
        raise CheckFailed("vocabulary", message, hint)


def clean_copy(loaded: PreTrainedModel) -> PreTrainedModel:
    """The same weights, not copied, in a model that does not remember that it came from a GGUF."""
    config = type(loaded.config).from_dict(loaded.config.to_dict())
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        clean = type(loaded)(config)
    clean.load_state_dict(loaded.state_dict(), assign=True)
    clean.tie_weights()
    return clean
