"""Schemas that nothing can be valid by, found before anything is spent on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag.errors import InvalidRequest
from rag.models.references import place, schemas, target
from rag.models.validating import validator

Schema = Mapping[str, Any]

_SIZES = (
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)
_TYPES = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
# What stands under these is not for values to be valid by.
_ASIDE = frozenset({"not", "if"})


def check_contradictions(schema: Schema) -> None:
    """Refuse a schema of which a part contradicts itself, also through what it refers to.

    Raises:
        InvalidRequest: The message names the place.
    """
    found = dict(schemas(schema))
    for position, node in found.items():
        if not isinstance(node, Mapping) or not _ASIDE.isdisjoint(position):
            continue
        if why := _contradiction(node, schema, found):
            raise InvalidRequest(f"{place(position)}: {why}", param="schema")


def _contradiction(node: Schema, root: Schema, found: Mapping[Any, Any]) -> str | None:
    together = list(_together(node, found))
    if (why := _crossing(together)) or (why := _not_taken(node)):
        return why
    for key in ("anyOf", "oneOf"):
        several = [
            [one] if not isinstance(one, Mapping) else list(_together(one, found))
            for one in node.get(key, ())
        ]
        if several and all(
            False in one or _crossing([*together, *one]) is not None for one in several
        ):
            return f"none of {key} can be valid beside the rest."
    listed = node.get("enum", [node["const"]] if "const" in node else None)
    if listed is not None:
        fits = validator(root).evolve(schema=node).is_valid
        if not any(map(fits, listed)):
            key = "enum" if "enum" in node else "const"
            return f"{key} has no value that is valid by the rest."
    return None


def _together(node: Schema, found: Mapping[Any, Any]) -> Iterator[Schema]:
    """The schemas that all have to hold of the value that one is of; `check_schema` bounds them."""
    yield node
    inner = list(node.get("allOf", ()))
    if "$ref" in node:
        inner.append(found.get(target(node["$ref"])))
    for one in inner:
        if isinstance(one, Mapping):
            yield from _together(one, found)


def _crossing(together: Sequence[Schema]) -> str | None:
    """Which bounds or types leave nothing."""
    types = _TYPES
    for one in together:
        if "type" in one:
            named = {one["type"]} if isinstance(one["type"], str) else set(one["type"])
            types &= named | ({"integer"} if "number" in named else set())
    if not types:
        return "no value has all of the types."
    for low, high in _SIZES:
        least, most = _bounds(together, low), _bounds(together, high)
        if least and most and max(least) > min(most):
            return f"{low} is above {high}."
    return _empty_range(together, whole=types == {"integer"})


def _empty_range(together: Sequence[Schema], *, whole: bool) -> str | None:
    lows = [
        (value, key == "exclusiveMinimum", key)
        for key in ("minimum", "exclusiveMinimum")
        for value in _bounds(together, key)
    ]
    highs = [
        (value, key != "exclusiveMaximum", key)
        for key in ("maximum", "exclusiveMaximum")
        for value in _bounds(together, key)
    ]
    if not lows or not highs:
        return None
    (least, above, low), (most, reached, high) = max(lows), min(highs)
    if least > most:
        return f"{low} is above {high}."
    if least == most and (above or not reached):
        return f"{low} and {high} leave no number between them."
    if whole and not _has_integer(least, most, above=above, reached=reached):
        return f"{low} and {high} leave no integer between them."
    return None


def _has_integer(least: float, most: float, *, above: bool, reached: bool) -> bool:
    first = math.floor(least) + 1 if above else math.ceil(least)
    last = math.floor(most) if reached else math.ceil(most) - 1
    return first <= last


def _bounds(together: Sequence[Schema], key: str) -> list[float]:
    found = [one[key] for one in together if key in one]
    return [
        one
        for one in found
        if isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
    ]


def _not_taken(node: Schema) -> str | None:
    """What is required, and has no valid value, or is not there where there may be no others."""
    names = node.get("properties")
    if isinstance(names, Mapping):
        barred = [one for one in node.get("required", ()) if names.get(one) is False]
        if barred:
            return f"{barred[0]} is required, and no value of it is valid."
    if isinstance(names, Mapping) and node.get("additionalProperties") is False:
        patterns = node.get("patternProperties")
        unknown = [one for one in node.get("required", ()) if one not in names]
        if unknown and not patterns:
            return f"{unknown[0]} is required, and not among the properties."
    return None
