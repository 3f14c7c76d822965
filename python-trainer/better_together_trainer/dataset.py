"""The rows as the trainer takes them: ids and labels, ready."""

from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from .packing import IGNORED
from .rows import Row


def as_dataset(rows: list[Row]) -> Dataset:
    return Dataset.from_dict(
        {
            "input_ids": [row.prompt_ids + row.completion_ids for row in rows],
            "labels": [[IGNORED] * len(row.prompt_ids) + row.completion_ids for row in rows],
        }
    )


def placeholder_tokenizer() -> PreTrainedTokenizerFast:
    """SFTTrainer insists on a tokenizer. With ready ids and our own collator it never uses it."""
    empty = Tokenizer(WordLevel({"<pad>": 0}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=empty, pad_token="<pad>")
