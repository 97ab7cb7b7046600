"""Extracted records as tables: documents side by side, and counts, groups and extremes over them.

All of it is computed by code over values that were found and validated, never by a model; every
number comes with the places in the result that it was computed from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rag.analysis.amounts import stated_amount
from rag.analysis.entities import key_of
from rag.errors import InvalidRequest
from rag.models.offline.dates import dates
from rag.pointers import below, names_of

_LISTED = 1_000
"""Entries that are listed of each group, and of a timeline; all are counted."""
_TOLD = 100
"""Values that are told of those that could not be read."""


class Operation(StrEnum):
    """What is computed."""

    COUNT = "count"
    GROUP = "group"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    TIMELINE = "timeline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """An operation over the values at a place of each record, such as ``/payments/*/amount``.

    ``*`` stands for every item of a list.
    """

    op: Operation
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A value: of which document, and where in the result."""

    document_id: str | None
    pointer: str
    value: Any


def entries(result: Any, of: str) -> list[Entry]:
    """The values at a place of each record, in the order of the documents; no nulls.

    Args:
        result: Of an analysis: a record, or ``documents`` with one each.
        of: A JSON pointer into a record, in which ``*`` is every item of a list.

    Raises:
        InvalidRequest: It is no such pointer.
    """
    if of and not of.startswith("/"):
        raise InvalidRequest(
            f"{of[:100]!r} is no JSON pointer, such as /price or /payments/*/amount.", param="of"
        )
    steps = names_of(of)
    return [
        Entry(document_id=document, pointer=pointer, value=value)
        for document, under, record in _records(result)
        for pointer, value in _at(record, steps, under)
        if value is not None
    ]


def aggregate(result: Any, asked: Aggregation) -> dict[str, Any]:
    """What an operation comes to, and the entries that it was computed from.

    ``min`` and ``max`` are of the numbers; where there are none, of the dates (in ISO form).
    Values that are no numbers, or no dates, where such are needed, are ``unreadable``: they are
    counted, and the first of them told as ``left_out``.

    Raises:
        InvalidRequest: The place is none, or its amounts are of several units, which do not add
            up and have no largest.
    """
    found = entries(result, asked.of)
    made: dict[str, Any] = {
        "op": asked.op,
        "of": asked.of,
        "count": len(found),
        "documents": len({one.document_id for one in found}),
        "unit": None,
        "unreadable": 0,
        "left_out": [],
    }
    if asked.op is Operation.COUNT:
        return {**made, "distinct": len({key_of_any(one.value) for one in found})}
    if asked.op is Operation.GROUP:
        return {**made, "groups": _groups(found)}
    if asked.op is Operation.TIMELINE:
        dated = sorted(_dated(found), key=lambda pair: pair[0])
        told = [{"date": day, **asdict(one)} for day, one in dated[:_LISTED]]
        return {**made, **_left_out(found, dated), "timeline": told}
    numbers = [(n, one) for one in found if (n := number_of(one.value)) is not None]
    made["unit"] = _unit_of([one for _, one in numbers], asked)
    if asked.op is Operation.SUM:
        total = sum(number for number, _ in numbers)
        return {**made, **_left_out(found, numbers), "value": total}
    ordered: Sequence[tuple[float | str, Entry]] = numbers or _dated(found)
    extreme = _extreme(ordered, largest=asked.op is Operation.MAX)
    return {**made, **_left_out(found, ordered), **extreme}


def compare(result: Any) -> dict[str, Any]:
    """The same fields of all documents side by side, and in which of them they differ.

    Raises:
        InvalidRequest: The analysis is not of each document.
    """
    rows = result.get("documents") if isinstance(result, Mapping) else None
    if rows is None:
        raise InvalidRequest(
            "Only analyses of each document can be compared; order it over `each`.", param="over"
        )
    names = dict.fromkeys(name for row in rows for name in row["value"])
    columns = ("document_id", "document_title", "document_name")
    return {
        "documents": [{name: row[name] for name in columns} for row in rows],
        "fields": [_compared(name, [row["value"].get(name) for row in rows]) for name in names],
    }


def number_of(value: Any) -> float | None:
    """A value as a number: one, or a text that says just one amount and is no name with digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    amount = stated_amount(value) if isinstance(value, str) else None
    if amount is None or any(
        start < amount.end and amount.start < end for start, end, _ in dates(value)
    ):
        return None
    return amount.number


def day_of(value: Any) -> str | None:
    """A value as a date in ISO form; ``None`` unless it says just one."""
    found = {iso for _, _, iso in dates(value)} if isinstance(value, str) else set()
    return found.pop() if len(found) == 1 else None


def key_of_any(value: Any) -> Any:
    """What makes two values the same, of whatever shape."""
    if isinstance(value, Mapping):
        return frozenset((name, key_of_any(one)) for name, one in value.items())
    if isinstance(value, list):
        return frozenset(map(key_of_any, value))
    return key_of(value)


def _left_out(found: Sequence[Entry], read: Sequence[tuple[Any, Entry]]) -> dict[str, Any]:
    """Entries that were not read, counted and told."""
    places = {one.pointer for _, one in read}
    others = [one for one in found if one.pointer not in places]
    return {"unreadable": len(others), "left_out": [asdict(one) for one in others[:_TOLD]]}


def _dated(found: Sequence[Entry]) -> list[tuple[str, Entry]]:
    return [(day, one) for one in found if (day := day_of(one.value)) is not None]


def _records(result: Any) -> Iterator[tuple[str | None, str, Any]]:
    if isinstance(result, Mapping) and isinstance(result.get("documents"), list):
        for place, row in enumerate(result["documents"]):
            yield row["document_id"], f"/documents/{place}/value", row["value"]
    else:
        yield None, "", result


def _at(value: Any, steps: Sequence[str], pointer: str) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield pointer, value
        return
    step, *rest = steps
    if step == "*" and isinstance(value, list):
        for place, one in enumerate(value):
            yield from _at(one, rest, f"{pointer}/{place}")
    elif isinstance(value, Mapping) and step in value:
        yield from _at(value[step], rest, below(pointer, step))


def _groups(found: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries by value, the most frequent first."""
    by_key: dict[Any, list[Entry]] = {}
    for one in found:
        by_key.setdefault(key_of_any(one.value), []).append(one)
    made = [
        {
            "value": of[0].value,
            "count": len(of),
            "documents": len({one.document_id for one in of}),
            "entries": [asdict(one) for one in of[:_LISTED]],
        }
        for of in by_key.values()
    ]
    return sorted(made, key=lambda one: -int(one["count"]))


def _unit_of(found: Sequence[Entry], asked: Aggregation) -> str | None:
    """What amounts are in: a currency, percent, a unit of time, or ``None`` for numbers alone."""
    said = (stated_amount(one.value) for one in found if isinstance(one.value, str))
    units = sorted({one.unit for one in said if one is not None and one.unit is not None})
    if len(units) > 1:
        raise InvalidRequest(
            f"The amounts at {asked.of} are in {', '.join(units)}, of which there is no "
            f"{asked.op}; group them, or convert them first.",
            param="of",
        )
    return units[0] if units else None


def _extreme(ordered: Sequence[tuple[Any, Entry]], *, largest: bool) -> dict[str, Any]:
    if not ordered:
        return {"value": None, "entries": []}
    chosen = (max if largest else min)(key for key, _ in ordered)
    return {
        "value": chosen,
        "entries": [asdict(one) for key, one in ordered if key == chosen][:_LISTED],
    }


def _compared(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """A row: a value for each document, null where it is not mentioned."""
    keys = [None if value in (None, [], {}) else key_of_any(value) for value in values]
    said = {key for key in keys if key is not None}
    return {
        "field": name,
        "values": list(values),
        "same": len(said) <= 1 and None not in keys,
        "different_values": len(said),
        "not_mentioned": keys.count(None),
    }
