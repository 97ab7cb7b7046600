"""From what a model wrote to a value: what can be read in one way only is, nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from rag.models.output import parse
from tests.faults import FAULTS, measure

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
    "required": ["a"],
}
LOOSE: dict[str, Any] = {"type": "object", "properties": {"a": {}, "b": {}}}


def test_no_spoilt_reply_is_taken_for_another() -> None:
    rows = measure(60)
    assert {name: row.wrong for name, row in rows.items() if row.wrong} == {}
    for name, row in rows.items():
        assert row.cases
        assert not row.miscounted
        assert row.at_once + row.asked_again == row.cases, name
        assert row.asked_again == row.failed, name
    mended = [name for name, row in rows.items() if row.at_once == row.cases]
    assert mended == list(FAULTS)[:9]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' \n{"a": 1}\n',
        '```json\n{"a": 1}\n```',
        'Here it is: {"a": 1}\nI hope it helps.',
        'Sure:\n```json\n{"a": 1}\n```\nI hope it helps.',
        '`{"a": 1}`',
        '{"a": 1, "b": null}',
        'Set {x}: {"a": 1}',
        '<think>Is it {"a": 2}?</think>{"a": 1}',
        'or {"a": 2}?</think>\n{"a": 1}',
        '{"a": 1}\n\n{"a": 1,}',
        '"{\\"a\\": 1}"',
        "{'a': 1, 'b': None,}",
        '{"a": 1, "a": 1}',
        '\ufeff{"a": 1}',
    ],
)
def test_json_is_found_in_what_surrounds_it(text: str) -> None:
    assert parse(text, SCHEMA) == ({"a": 1}, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'b': 'it\\'s \"so\"', 'a': 1}", 'it\'s "so"'),
        ('{"b": "it\'s\nso", "a": 1}', "it's\nso"),
        ('{"b": "{\'a\': 2,}", "a": 1,}', "{'a': 2,}"),
        ('{"b": "</think>", "a": 1}', "</think>"),
        ("{'b': 'True', 'a': 1}", "True"),
    ],
)
def test_strings_stay_what_they_are(text: str, value: str) -> None:
    assert parse(text, SCHEMA) == ({"a": 1, "b": value}, [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1",
        '{"a": 1',
        '{"a": NaN}',
        '{"a": 1e999}',
        f'{{"a": {"9" * 400}}}',
        '{"a": "1"}',
        '{"a": 1.5}',
        "[1]",
        "null",
        "{" * 100_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        "{'" * 50_000,
    ],
)
def test_what_is_not_valid_is_told(text: str) -> None:
    assert parse(text, SCHEMA)[1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1} or rather {"a": 2}', "differ"),
        ('The first guess {"a": 1} was wrong, so a = 2.', "says something about"),
        ('not {"a": 5}? I cannot answer.', "says something about"),
        ('It is not the case that {"a": 5}', "says something about"),
        ('{"a": 5} would be wrong.', "says something about"),
        ('{"a": 1, "a": 2}', "two values"),
        ('{"a": {"b": 1}, "b": ', "does not end"),
        ('{"a": [{"b": 1}, {"b', "does not end"),
        ('"a": {"b": 1}}', "a part"),
        ('"a": {"b": 1}', "a part"),
        ('Here: [{"b": 1}', "a part"),
        ('<think>It may be {"a": 1}', "only thoughts"),
        ('{"a": 1 // and so on\n}', "not JSON"),
        ('{"a": 1, ...}', "not JSON"),
        ('{"a": [1,,]}', "not JSON"),
        ('{"a": "he said "no" to it"}', "not JSON"),
        ('{"type": "object", "properties": {"a": {}}}', "schema itself"),
    ],
)
def test_what_may_mean_something_else_is_asked_for_again(text: str, why: str) -> None:
    (told,) = parse(text, LOOSE)[1]
    assert why in told


def test_what_is_nested_too_deeply_is_told() -> None:
    tree: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "#"}}}
    for depth in range(100, 1_000, 100):
        value, told = parse('{"a":' * depth + "{}" + "}" * depth, tree)
        assert told or value is not None
    assert told


def test_numbers_can_be_computed_with() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "multipleOf": 0.5}}}
    assert parse(f'{{"a": {"9" * 299}}}', schema)[1] == []
    assert "too large" in parse(f'{{"a": {"9" * 400}}}', schema)[1][0]
