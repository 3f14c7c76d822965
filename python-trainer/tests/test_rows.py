"""Rows are taken as they are or refused with their line."""

import json
from pathlib import Path

import pytest

from better_together_trainer.errors import BadInput
from better_together_trainer.imported import Origin
from better_together_trainer.rows import Row, read_rows, rows_without_end

ORIGIN = Origin(
    importer=1,
    gguf_sha256="",
    dtype="float32",
    architecture="llama",
    layers=3,
    vocabulary=100,
    context_tokens=6,
    end_of_turn=2,
    parameters=0,
    files={},
)


def rows_of(folder: Path, *lines: str, method: str = "sft") -> list[Row]:
    (folder / "rows.jsonl").write_text("".join(line + "\n" for line in lines))
    return read_rows(folder / "rows.jsonl", ORIGIN, method)


def row(prompt: object, completion: object) -> str:
    return json.dumps({"prompt_ids": prompt, "completion_ids": completion})


def test_rows_keep_their_ids_and_order(tmp_path: Path) -> None:
    assert rows_of(tmp_path, row([5, 6], [7, 2]), row([8], [99])) == [Row([5, 6], [7, 2]), Row([8], [99])]


def test_every_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    lines = [
        row([5], [2]),
        "{not json",
        row([5], []),
        row([], [2]),
        row([5], [True]),
        row([5, 100], [2]),
        row([1, 2, 3, 4, 5], [6, 2]),
        json.dumps({"prompt_ids": [1], "completion_ids": [2], "weight": 2}),
    ]
    with pytest.raises(BadInput) as refused:
        rows_of(tmp_path, *lines)

    assert str(refused.value).splitlines() == [
        "rows.jsonl has 7 mistakes:",
        "- line 2 is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "- line 3 has completion_ids that are not one or more token ids",
        "- line 4 has prompt_ids that are not one or more token ids",
        "- line 5 has completion_ids that are not one or more token ids",
        "- line 6 has token 100; the model has 100",
        "- line 7 has 7 tokens; the model's context is 6",
        "- line 8 must have exactly the keys prompt_ids and completion_ids",
    ]


def test_a_pair_has_two_answers_that_differ(tmp_path: Path) -> None:
    def pair(rejected: list[int]) -> str:
        return json.dumps({"prompt_ids": [5, 6], "chosen_ids": [7, 2], "rejected_ids": rejected})

    assert rows_of(tmp_path, pair([8, 2]), method="dpo") == [Row([5, 6], [7, 2], [8, 2])]
    with pytest.raises(BadInput) as refused:
        rows_of(tmp_path, pair([7, 2]), pair([8, 8, 8, 8, 2]), row([5], [2]), method="dpo")
    assert str(refused.value).splitlines()[1:] == [
        "- line 1 has equal answers: neither can gain on the other",
        "- line 2 has 7 tokens; the model's context is 6",
        "- line 3 must have exactly the keys prompt_ids and chosen_ids and rejected_ids",
    ]


def test_a_row_may_fill_the_whole_context(tmp_path: Path) -> None:
    assert len(rows_of(tmp_path, row([1, 2, 3, 4], [5, 2]))) == 1


def test_a_file_full_of_mistakes_gives_a_message_one_can_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="and 80 more"):
        rows_of(tmp_path, *["{}"] * 100)


def test_zero_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no row") as refused:
        rows_of(tmp_path)
    assert refused.value.code == "no-rows"


def test_rows_that_do_not_end_their_turn_are_counted() -> None:
    assert rows_without_end([Row([1], [5, 2]), Row([1], [5]), Row([1], [2, 5])], ORIGIN) == 2
