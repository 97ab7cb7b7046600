"""Labelled examples: which task they are for, and how near a value comes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rag.errors import InvalidRequest
from rag.labelled import read_examples, scores


def score(row: Any, value: Any) -> Any:
    (example,) = read_examples([json.dumps(row), ""])
    return scores(example, value)


def test_values_are_scored_by_what_their_task_is_for() -> None:
    said = [{"text": "The rent is 400."}]
    assert score({"question": "q", "answer": "rent is 400"}, said) == {"f1": 1, "exact_match": 1}
    assert score({"question": "q", "answer": ["a lot", "400"]}, said)["f1"] == pytest.approx(0.5)
    assert score({"question": "q", "answer": None}, []) == {"f1": 1, "exact_match": 1}
    assert score({"question": "q", "answer": None}, said)["f1"] == 0
    assert score({"text": "t", "label": "a"}, {"primary": "a"}) == {"accuracy": 1}
    assert score({"text": "t", "label": "a"}, None) == {"accuracy": 0}


@pytest.mark.parametrize(
    ("expected", "found", "f1"),
    [
        ({"a": 1, "b": "The X."}, {"a": 1.0, "b": "x"}, 1),
        ({"a": 1, "b": "x"}, {"a": 2, "b": "x"}, 0.5),
        ({"a": 1, "b": "x"}, {"b": "x"}, 2 / 3),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [2, 1]}}, 1),
        ({"a": None}, {}, 1),
        ({"a": True}, {"a": 1}, 0),
        ({"a": 1}, {}, 0),
    ],
)
def test_fields_are_right_by_place_and_value(expected: Any, found: Any, f1: float) -> None:
    row = {"text": "t", "fields": expected}
    assert score(row, {"value": found, "fields": {}})["field_f1"] == pytest.approx(f1)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["no"],
        ["[]"],
        ['{"question": "q"}'],
        ['{"answer": "a"}'],
        ['{"text": "t", "label": "a", "fields": {}}'],
        ['{"text": "t", "label": "a", "colour": "red"}'],
        ['{"text": "t", "label": "a"}', '{"question": "q", "answer": "a"}'],
    ],
)
def test_what_is_no_example_is_refused(lines: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        read_examples(lines)
