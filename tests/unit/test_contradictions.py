"""Schemas that nothing can be valid by are refused, with the place."""

from __future__ import annotations

from typing import Any

import pytest

from rag.analysis.requests import Kind, Request, Scope, check
from rag.errors import InvalidRequest
from rag.models.offline.opposition import opposed

CROSSED = {"type": "integer", "minimum": 9, "maximum": 1}


def asked(own: dict[str, Any]) -> Request:
    schema = {
        "type": "object",
        "properties": {"x": own},
        "$defs": {"text": {"type": "string"}, "low": {"maximum": 1}},
    }
    return Request(kind=Kind.EXTRACTION, scope=Scope(text="some text"), schema=schema)


@pytest.mark.parametrize(
    ("own", "where"),
    [
        (CROSSED, "properties/x: minimum is above maximum"),
        ({"type": "number", "minimum": 5, "exclusiveMaximum": 5}, "properties/x: minimum and"),
        ({"exclusiveMinimum": 5, "maximum": 5}, "properties/x: exclusiveMinimum and maximum"),
        ({"exclusiveMinimum": 6, "exclusiveMaximum": 5}, "exclusiveMinimum is above"),
        ({"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 5}, "no integer"),
        ({"type": "integer", "enum": ["a"]}, "properties/x: enum"),
        ({"enum": []}, "properties/x: enum"),
        ({"type": "string", "const": 3}, "properties/x: const"),
        ({"enum": [1, 2], "minimum": 3}, "properties/x: enum"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "properties/x: no value"),
        ({"allOf": [{"minimum": 5}], "maximum": 3}, "properties/x: minimum is above"),
        ({"anyOf": [{"type": "string"}, CROSSED]}, "properties/x/anyOf/1: minimum is above"),
        ({"type": "string", "anyOf": [{"type": "integer"}, {"type": "null"}]}, "none of anyOf"),
        ({"type": "integer", "$ref": "#/$defs/text"}, "properties/x: no value"),
        ({"minimum": 5, "$ref": "#/$defs/low"}, "properties/x: minimum is above"),
        ({"type": "array", "items": {"minLength": 3, "maxLength": 2}}, "properties/x/items"),
    ],
)
def test_what_contradicts_itself_is_refused(own: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check(asked(own))
    assert where in str(refused.value)


@pytest.mark.parametrize(
    "own",
    [
        {"type": "integer", "minimum": 5, "maximum": 5},
        {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
        {"type": ["number", "null"], "allOf": [{"type": ["integer", "null"]}]},
        {"type": "string", "enum": ["a", "b", None]},
        {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "a text"},
        {"type": "string", "not": CROSSED},
        {"$ref": "#/$defs/text", "minLength": 2},
        {"anyOf": [{"$ref": "#/$defs/low"}, {"minimum": 5}], "minimum": 3},
    ],
)
def test_what_something_is_valid_by_is_taken(own: dict[str, Any]) -> None:
    check(asked(own))


@pytest.mark.parametrize(
    ("claim", "said", "denied"),
    [
        (
            "The pumps were tested and passed.",
            "The pumps were tested and passed without a fault.",
            False,
        ),
        ("The pump comes with a motor.", "The pump comes without a motor.", True),
        ("Revenue was up 13% from a year ago.", "Revenue was down 13% from a year ago.", True),
        ("The rent is paid monthly.", "The rent is paid each year.", True),
        ("The report of May 2023 shall be kept.", "It shall be kept for May 2023.", False),
        ("The tenant must paint the fence.", "The tenant may paint the fence.", True),
        ("The tenant must not paint it.", "The tenant may not paint it.", False),
        (
            "The rent must be paid monthly.",
            "The rent is due monthly and may be paid by bank transfer.",
            False,
        ),
        (
            "The deposit shall be returned within 30 days.",
            "The landlord may deduct damage before the deposit is returned within 30 days.",
            False,
        ),
        ("Most of the patients improved.", "At least 60% of the patients improved.", False),
        ("At least 60 of them improved.", "At most 60 of them improved.", True),
        ("It took more than 10 hours.", "It took less than 10 hours.", True),
        ("It took more than 10 hours.", "It took over 10 hours, less than planned.", False),
        (
            "The monthly rent is reviewed each January.",
            "The rent is reviewed every year in January.",
            False,
        ),
        (
            "Interest of 5% a year is paid.",
            "Interest accrues at 5% per annum and is paid monthly.",
            False,
        ),
        ("The Seller shall indemnify the Buyer.", "The Buyer shall indemnify the Seller.", False),
    ],
)
def test_what_is_said_to_be_missing_denies_only_what_speaks_of_it(
    claim: str, said: str, denied: bool
) -> None:
    assert (opposed(claim, said) is not None) is denied
