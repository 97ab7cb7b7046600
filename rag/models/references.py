"""The schemas within a schema: where each stands, what it refers to, and how far that leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from rag.pointers import names_of

Position = tuple[str, ...]
"""The steps from the root to a schema."""

# Keywords by what they hold. Those that are here say something of the very value that the schema
# around them is of; the others say something of its parts, or are for references to point to.
_HERE_ONE = frozenset({"not", "if", "then", "else"})
_HERE_SEVERAL = frozenset({"anyOf", "oneOf", "allOf"})
_HERE_BY_NAME = frozenset({"dependentSchemas"})
_ONE = _HERE_ONE | {
    "items",
    "contains",
    "propertyNames",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
}
_SEVERAL = _HERE_SEVERAL | {"prefixItems"}
_BY_NAME = _HERE_BY_NAME | {"properties", "patternProperties", "$defs", "definitions"}
_HERE = _HERE_ONE | _HERE_SEVERAL | _HERE_BY_NAME

_MOST_STEPS = 24
_MOST_AT_ONCE = 300


def schemas(node: Any, position: Position = ()) -> Iterator[tuple[Position, Any]]:
    """Every schema within one, itself first; what only looks like one, as in ``const``, is none."""
    yield position, node
    if isinstance(node, Mapping):
        for step, inner in _inner(node, _ONE | _SEVERAL | _BY_NAME):
            yield from schemas(inner, (*position, *step))


def target(reference: str) -> Position:
    """Where a reference within a schema points to."""
    return tuple(names_of(unquote(reference)))


def check_references(found: Mapping[Position, Any]) -> None:
    """See that references lead to schemas, and that following them ends.

    Args:
        found: The schemas within one by their positions.

    Raises:
        ValueError: One does not; the message says where.
    """
    known: dict[Position, tuple[int, int]] = {}
    for position in found:
        _reach(position, found, known, 0)


def _reach(
    position: Position,
    found: Mapping[Position, Any],
    known: dict[Position, tuple[int, int]],
    steps: int,
) -> tuple[int, int]:
    """Against how many schemas a value is checked before its parts are, and in how many steps."""
    if position not in known:
        number, longest = 1, 0
        for one in _next(position, found) if steps <= _MOST_STEPS else ():
            more, further = _reach(one, found, known, steps + 1)
            number, longest = number + more, max(longest, 1 + further)
        if max(steps, longest) > _MOST_STEPS or number > _MOST_AT_ONCE:
            raise ValueError(f"{place(position)}: references go round, or lead to too much.")
        known[position] = number, longest
    return known[position]


def _next(position: Position, found: Mapping[Position, Any]) -> Iterator[Position]:
    node = found[position]
    if not isinstance(node, Mapping):
        return
    for step, _ in _inner(node, _HERE):
        yield (*position, *step)
    if "$ref" in node:
        to = target(node["$ref"])
        if to not in found:
            raise ValueError(f"{place(position)}: {node['$ref'][:100]} is not in the schema.")
        yield to


def _inner(node: Mapping[str, Any], keywords: frozenset[str]) -> Iterator[tuple[Position, Any]]:
    for key, value in node.items():
        if key not in keywords:
            continue
        if key in _ONE:
            yield (key,), value
        elif key in _SEVERAL and isinstance(value, list):
            yield from (((key, str(number)), one) for number, one in enumerate(value))
        elif key in _BY_NAME and isinstance(value, Mapping):
            yield from (((key, str(name)), one) for name, one in value.items())


def place(position: Position) -> str:
    """A position in words."""
    return "/".join(position)[:200] or "the schema"
