"""Labelled examples: what is expected of a task, and how near to it a value comes.

A file has one JSON object to a line: a ``question`` and its ``answer`` (one, several, or null
where the documents do not say), a ``text`` and its ``label``, or a ``text`` and its ``fields``. A
question, too, may bring its own ``text``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rag.errors import InvalidRequest
from rag.evaluate import exact_match, normalize_answer, token_f1

_TASK_OF = {"answer": "answer", "label": "classify", "fields": "extract"}
_KNOWN = frozenset({"question", "text", "labels", "schema", *_TASK_OF})


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One line of a file. ``given`` is what the task is made of, ``expected`` its right value."""

    task: str
    given: Mapping[str, Any]
    expected: Any


def read_examples(lines: Iterable[str]) -> list[Example]:
    """The examples of a file, all for one task.

    Raises:
        InvalidRequest: A line is none, or is for another task than those before it.
    """
    examples: list[Example] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            examples.append(_example(line, number))
            if examples[-1].task != examples[0].task:
                raise InvalidRequest(f"Line {number} is for another task than those before it.")
    if not examples:
        raise InvalidRequest("There are no examples in this file.")
    return examples


def _example(line: str, number: int) -> Example:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InvalidRequest(f"Line {number} is not JSON: {error}") from error
    kinds = [kind for kind in _TASK_OF if isinstance(row, dict) and kind in row]
    needed = "question" if kinds == ["answer"] else "text"
    if len(kinds) != 1 or set(row) - _KNOWN or not isinstance(row.get(needed), str):
        raise InvalidRequest(
            f"Line {number}: an example has a question and an answer, a text and a label, or a "
            "text and fields; besides text, labels and schema."
        )
    given = {name: value for name, value in row.items() if name != kinds[0]}
    return Example(task=_TASK_OF[kinds[0]], given=given, expected=row[kinds[0]])


def scores(example: Example, value: Any) -> Mapping[str, float]:
    """How near a value comes, by metric, from 0 to 1; of ``None``, for no value, 0."""
    if example.task == "classify":
        return {"accuracy": float(value is not None and value["primary"] == example.expected)}
    if example.task == "extract":
        return {"field_f1": 0.0 if value is None else _field_f1(value["value"], example.expected)}
    golds = [example.expected] if isinstance(example.expected, str) else example.expected or []
    if value is None:
        return {"f1": 0.0, "exact_match": 0.0}
    said = " ".join(statement["text"] for statement in value)
    return {"f1": token_f1(said, golds), "exact_match": exact_match(said, golds)}


def _field_f1(found: Any, expected: Any) -> float:
    """F1 over leaves: right is one of the same place and, normalized, of the same value."""
    said, wanted = set(_leaves(found)), set(_leaves(expected))
    if not said and not wanted:
        return 1.0
    return 2 * len(said & wanted) / (len(said) + len(wanted))


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Places and values; what stands in a list has the place of the list, whatever the order."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(one, f"{place}/{name}")
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, place)
    elif isinstance(value, str):
        yield place, normalize_answer(value)
    elif value is not None:
        yield place, json.dumps(value if isinstance(value, bool) else float(value))
