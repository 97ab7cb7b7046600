"""The result of an analysis as rows of a table, and as a report to be read."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from api.results.entries import Cell, Entry, Json, Said, quoted
from rag.pointers import below

_ROWS = "documents"
_OWN = ("document_id", "document_name", "confidence", "corrected_by", "citations")
"""The columns that each document has beside those of its fields."""
_VALUE: Mapping[str, str] = {"value": "value"}
_OF_ROW = re.compile(rf"/{_ROWS}/(\d+)/value(?=/|\Z)", re.ASCII)


def entries(shown: Json) -> Iterator[Entry]:
    """An entry for each document, with a column for each field, or one for each value.

    Args:
        shown: An analysis as `GET /analyses/{id}` tells it.
    """
    result = shown["result"]
    if result is None:
        return
    if is_by_document(result):
        yield from _by_document(result[_ROWS], shown)
    else:
        yield from _by_value(result, shown)


def is_by_document(result: Any) -> bool:
    """Whether a result is a list of those of each document."""
    rows = result.get(_ROWS) if isinstance(result, Mapping) else None
    return isinstance(rows, list) and all(isinstance(row, dict) and "value" in row for row in rows)


def _by_document(rows: list[dict[str, Any]], shown: Json) -> Iterator[Entry]:
    names = {
        name: _apart(name)
        for row in rows
        if isinstance(row["value"], dict)
        for name in row["value"]
    }
    evidence, corrections = by_row(shown["evidence"]), by_row(shown["corrected_by"])
    for place, row in enumerate(rows):
        said = list(_said(row["value"], f"/{_ROWS}/{place}/value", shown, ""))
        corrected = corrections.get(place, {})
        value = row["value"] if isinstance(row["value"], dict) else {"value": row["value"]}
        yield Entry(
            title=row["document_title"] or row["document_name"] or row["document_id"] or "Text",
            raw={
                **row,
                "evidence": evidence.get(place, {}),
                "corrected_by": corrected,
            },
            columns={
                "document_id": row["document_id"],
                "document_name": row["document_name"],
                **{own: _cell(value.get(name)) for name, own in (names or _VALUE).items()},
                "confidence": row["confidence"],
                "corrected_by": "\n".join(f"{at or '/'}: {by}" for at, by in corrected.items()),
                "citations": quoted([one for part in said for one in part.citations]),
            },
            said=said,
        )


def _by_value(result: Any, shown: Json) -> Iterator[Entry]:
    """One entry for each thing that is said, under what it is a part of."""
    for part in values(result, shown):
        label = part.label or ""
        yield Entry(
            title=label,
            raw={
                "field": label,
                "value": part.text,
                "confidence": part.confidence,
                "corrected_by": part.corrected_by,
                "citations": list(part.citations),
            },
            columns={
                "field": label,
                "value": part.text,
                "confidence": part.confidence,
                "corrected_by": part.corrected_by,
                "citations": quoted(part.citations),
            },
            said=[replace(part, label=None)],
        )


def by_row(by_pointer: Json) -> Mapping[int, dict[str, Any]]:
    """What is said of the value of each document, by its place and pointers into the value."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for pointer, one in by_pointer.items():
        if row := _OF_ROW.match(pointer):
            found[int(row[1])][pointer[row.end() :]] = one
    return found


def values(result: Any, shown: Json) -> Iterator[Said]:
    """Every plain value of a result in its order, with the places that it rests on.

    Args:
        result: The result, or a part of it.
        shown: The analysis as it is told.
    """
    return values_at(result, "", shown)


def values_at(value: Any, pointer: str, shown: Json) -> Iterator[Said]:
    """As `values`, of the part of a result at a pointer."""
    return _said(value, pointer, shown, "")


def _apart(name: str) -> str:
    """The column of a field, which is none of those that each document has."""
    return f"value.{name}" if name.rsplit("value.", 1)[-1] in _OWN else name


def _said(
    value: Any, pointer: str, shown: Json, label: str, by: str | None = None
) -> Iterator[Said]:
    """Every plain value in its order; evidence of a whole stands with the first of its parts."""
    citations = list(shown["evidence"].get(pointer, ()))
    by = shown["corrected_by"].get(pointer, by)
    if isinstance(value, Mapping | list):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, one in inner:
            called = str(key + 1) if isinstance(key, int) else str(key).replace("_", " ")
            for said in _said(one, below(pointer, key), shown, f"{label} {called}".strip(), by):
                yield replace(said, citations=[*citations, *said.citations])
                citations = []
    elif value is not None and value != "":
        sure = shown["confidences"].get(pointer)
        yield Said(
            text=_text(value), citations=citations, label=label, confidence=sure, corrected_by=by
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(value: Any) -> Cell:
    plain = value is None or isinstance(value, str | int | float)
    return value if plain else json.dumps(value, ensure_ascii=False)
