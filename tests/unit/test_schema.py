"""JSON Schema in each provider's dialect, and what is enforced afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from rag.errors import InvalidRequest
from rag.models.schema import (
    check_schema,
    for_anthropic,
    for_local,
    for_openai,
    problems,
    without_nulls,
)

PARTY = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "email": {"type": "string", "format": "email"},
        "kind": {"enum": ["buyer", "seller"]},
    },
    "required": ["name"],
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "$defs": {"party": PARTY},
    "properties": {
        "parties": {"type": "array", "items": {"$ref": "#/$defs/party"}, "maxItems": 9},
        "signed": {"type": "string", "format": "date"},
        "phone": {"type": "string", "format": "phone"},
        "amount": {"type": ["number", "null"], "minimum": 0, "default": 3},
    },
    "required": ["parties", "amount"],
}


def objects(schema: Any) -> list[Any]:
    found = [schema] if isinstance(schema, dict) and "properties" in schema else []
    for value in schema.values() if isinstance(schema, dict) else ():
        if isinstance(value, dict):
            found += objects(value)
    return found


def test_openai_requires_everything_and_lets_what_was_optional_be_null() -> None:
    strict = for_openai(SCHEMA)
    for one in objects(strict):
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
    properties = strict["properties"]
    assert properties["signed"] == {"type": ["string", "null"], "format": "date"}
    assert properties["amount"] == {"type": ["number", "null"], "minimum": 0}
    assert properties["phone"]["description"] == "format: phone"
    kind = strict["$defs"]["party"]["properties"]["kind"]
    assert kind == {"anyOf": [{"enum": ["buyer", "seller"]}, {"type": "null"}]}


def test_anthropic_is_told_of_bounds_in_words() -> None:
    schema = for_anthropic(SCHEMA)
    assert schema["required"] == ["parties", "amount"]
    assert schema["properties"]["amount"] == {
        "type": ["number", "null"],
        "description": "minimum: 0",
    }
    assert schema["properties"]["parties"]["description"] == "maxItems: 9"


def test_what_cannot_be_followed_token_by_token_is_told_in_words() -> None:
    schema = {
        "type": "object",
        "properties": {
            "phone": {"type": "string", "format": "phone", "maxLength": 9},
            "code": {"type": "string", "pattern": "^(?!A)B"},
            "tags": {"type": "array", "uniqueItems": True, "items": {"oneOf": [{"const": 1}]}},
        },
        "patternProperties": {"^x-": {"type": "string", "format": "url"}},
    }
    assert for_local(schema) == {
        "type": "object",
        "properties": {
            "phone": {"type": "string", "maxLength": 9, "description": "format: phone"},
            "code": {"type": "string", "description": "pattern: ^(?!A)B"},
            "tags": {
                "type": "array",
                "items": {"anyOf": [{"const": 1}]},
                "description": "uniqueItems: True",
            },
        },
        "patternProperties": {"^x-": {"type": "string", "description": "format: url"}},
    }


def test_nulls_for_what_may_be_left_out_are_taken_out() -> None:
    value = {
        "parties": [{"name": "A", "email": None, "kind": None}],
        "signed": None,
        "amount": None,
    }
    kept = without_nulls(value, SCHEMA)
    assert kept == {"parties": [{"name": "A"}], "amount": None}
    assert problems(kept, SCHEMA) == []
    assert problems(value, SCHEMA) != []


def test_nulls_for_what_is_defined_elsewhere_are_taken_out() -> None:
    schema = {**SCHEMA, "properties": {"party": {"$ref": "#/$defs/party"}}, "required": []}
    assert without_nulls({"party": None}, schema) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"amount": 1}, "'parties' is a required property"),
        ({"parties": [{"name": ""}], "amount": 1}, "parties/0/name"),
        ({"parties": [], "amount": -1}, "amount: -1 is less than the minimum"),
        ({"parties": [], "amount": 1, "signed": "31.1.2024"}, "signed"),
        ({"parties": [], "amount": 1, "signed": "2024-02-30"}, "signed"),
        ({"parties": [], "amount": 1, "phone": "call me"}, "phone"),
        ({"parties": [{"name": "A", "email": "a@b"}], "amount": 1}, "parties/0/email"),
    ],
)
def test_what_a_dialect_drops_is_enforced(value: Any, expected: str) -> None:
    assert any(expected in one for one in problems(value, SCHEMA))


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"x": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {},
        {"type": "object", "properties": {"a": {"type": "strang"}}},
        {"type": "object", "properties": {"a": {"$ref": "http://example.org/x"}}},
        {"type": "object", "properties": {"a": {"$ref": "other.json#/x"}}},
        nested(40),
        {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(3_000)}},
    ],
)
def test_what_cannot_be_asked_for_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        check_schema(schema)


def test_what_can_be_asked_for_passes() -> None:
    check_schema(SCHEMA)
