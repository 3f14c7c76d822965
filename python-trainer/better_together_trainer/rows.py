"""Training rows: token ids that Node made with the tokenizer and chat template that serve the model.

Python never tokenises: the one place where GGUF and Hugging Face disagree silently is the tokenizer.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import bad_input_list
from .imported import Origin

# By the training's method: what a line holds.
KEYS = {
    "sft": ("prompt_ids", "completion_ids"),
    "dpo": ("prompt_ids", "chosen_ids", "rejected_ids"),
}
HINT = "Nothing is truncated and no row is dropped: make the rows again, or give a shorter prompt."


@dataclass(frozen=True)
class Row:
    prompt_ids: list[int]
    completion_ids: list[int]  # what is learned; of a pair, the chosen answer
    rejected_ids: list[int] | None = None  # of a pair, the answer that the other one is to gain on


def read_rows(path: Path, origin: Origin, method: str) -> list[Row]:
    """Reads one JSON object a line; raises one BadInput that names the line of each mistake."""
    rows: list[Row] = []
    mistakes: list[str] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            row, mistake = read_row(line, origin, KEYS[method])
            if mistake:
                mistakes.append(f"line {number} {mistake}")
            else:
                rows.append(row)
    if mistakes:
        raise bad_input_list("bad-rows", path.name, mistakes, HINT)
    if not rows:
        raise bad_input_list("no-rows", path.name, ["it has no row"], "Nothing is trained on zero rows.")
    return rows


def read_row(line: str, origin: Origin, keys: tuple[str, ...]) -> tuple[Row | None, str | None]:
    """(row, None) or (None, what is wrong with it)."""
    try:
        raw = json.loads(line)
    except ValueError as error:
        return None, f"is not JSON: {error}"
    if not isinstance(raw, dict) or raw.keys() != set(keys):
        return None, f"must have exactly the keys {' and '.join(keys)}"
    for name in keys:
        if not is_id_list(raw[name]):
            return None, f"has {name} that are not one or more token ids"
    prompt, *answers = (raw[name] for name in keys)
    largest = max(prompt + [id_ for answer in answers for id_ in answer])
    length = len(prompt) + max(map(len, answers))
    if largest >= origin.vocabulary:
        return None, f"has token {largest}; the model has {origin.vocabulary}"
    if length > origin.context_tokens:
        return None, f"has {length} tokens; the model's context is {origin.context_tokens}"
    if len(answers) == 2 and answers[0] == answers[1]:
        return None, "has equal answers: neither can gain on the other"
    return Row(prompt, *answers), None


def is_id_list(value: Any) -> bool:
    # Never empty: without a prompt nothing predicts the first token, without a completion nothing is learned.
    return isinstance(value, list) and len(value) > 0 and all(type(id_) is int and id_ >= 0 for id_ in value)


def rows_without_end(rows: list[Row], origin: Origin) -> int:
    """Rows whose completion does not end with the token that ends a turn: they teach to ramble on."""
    return sum(row.completion_ids[-1] != origin.end_of_turn for row in rows)
