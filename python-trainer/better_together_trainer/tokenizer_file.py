"""A Hugging Face tokenizer out of a GGUF, written only where it gives the ids that llama.cpp gives.

A GGUF names how text is cut before the merges (`tokenizer.ggml.pre`); transformers knows some of these names
and takes GPT-2's for all the others, without a word. So nobody is believed: texts with their ids come from
the runtime, and a single id that differs leaves the tokenizer out.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from .gguf_file import open_gguf
from .job import TokenizerProbe


def write_tokenizer(gguf: Path, folder: Path, probes: Sequence[TokenizerProbe]) -> dict[str, Any]:
    """Says whether it wrote one, and why not."""
    refused = {"written": False, "compared": len(probes)}
    if not probes:
        return refused | {"reason": "there was no text to compare it on"}
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
    except (ValueError, KeyError) as error:
        return refused | {"reason": f"transformers cannot read the tokenizer of {gguf.name}: {error}"}
    opened = open_gguf(gguf)
    tokenizer = without_invented(tokenizer, opened.token_count)
    cut_as_llama_cpp(tokenizer, opened.get("tokenizer.ggml.pre"))
    differing = [
        probe for probe in probes if tokenizer.encode(probe.text, add_special_tokens=False) != list(probe.ids)
    ]
    if differing:
        reason = f"{len(differing)} of {len(probes)} texts get other ids than from llama.cpp"
        return refused | {"reason": reason}
    tokenizer.save_pretrained(folder)
    return {"written": True, "compared": len(probes), "reason": None}


def cut_as_llama_cpp(tokenizer: PreTrainedTokenizerFast, name: str | None) -> None:
    """SmolLM's: each digit alone, then GPT-2's rule."""
    if name == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, words])


def without_invented(tokenizer: PreTrainedTokenizerFast, token_count: int) -> PreTrainedTokenizerFast:
    """transformers adds GPT-2's <|endoftext|> to files without it, for which the model has no place."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < token_count]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        chat_template=tokenizer.chat_template,
        **tokenizer.special_tokens_map,
    )
