"""The rows as the trainer takes them: ids and labels, ready."""

from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from .packing import IGNORED
from .rows import Row


def as_dataset(rows: list[Row]) -> Dataset:
    columns = answer_columns([(row.prompt_ids, row.completion_ids) for row in rows])
    pairs = [(row.prompt_ids, row.rejected_ids) for row in rows if row.rejected_ids is not None]
    rejected = {f"rejected_{name}": values for name, values in answer_columns(pairs).items()} if pairs else {}
    return Dataset.from_dict(columns | rejected)


def answer_columns(answers: list[tuple[list[int], list[int]]]) -> dict[str, list[list[int]]]:
    return {
        "input_ids": [prompt + answer for prompt, answer in answers],
        "labels": [[IGNORED] * len(prompt) + answer for prompt, answer in answers],
    }


def placeholder_tokenizer() -> PreTrainedTokenizerFast:
    """SFTTrainer insists on a tokenizer. With ready ids and our own collator it never uses it."""
    empty = Tokenizer(WordLevel({"<pad>": 0}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=empty, pad_token="<pad>")
