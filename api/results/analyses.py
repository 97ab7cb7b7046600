"""The result of an analysis as rows of a table, and as a report to be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.results.entries import Cell, Entry, Json, Said, quoted

_ROWS = "documents"


def entries(shown: Json) -> Iterator[Entry]:
    """An entry for each document, with a column for each field, or one for each value.

    Args:
        shown: An analysis as `GET /analyses/{id}` tells it.
    """
    result = shown["result"]
    if result is None:
        return
    rows = result.get(_ROWS) if isinstance(result, dict) else None
    if isinstance(rows, list) and all(isinstance(row, dict) and "value" in row for row in rows):
        yield from _by_document(rows, shown)
    else:
        yield from _by_value(result, shown)


def _by_document(rows: list[dict[str, Any]], shown: Json) -> Iterator[Entry]:
    names = {name: None for row in rows if isinstance(row["value"], dict) for name in row["value"]}
    for place, row in enumerate(rows):
        under = f"/{_ROWS}/{place}/value"
        said = list(_said(row["value"], under, shown["evidence"], ""))
        value = row["value"] if isinstance(row["value"], dict) else {"value": row["value"]}
        yield Entry(
            title=row["document_title"] or row["document_name"] or row["document_id"] or "Text",
            raw={**row, "evidence": _within(under, shown["evidence"])},
            columns={
                "document_id": row["document_id"],
                "document_name": row["document_name"],
                **{name: _cell(value.get(name)) for name in names or value},
                "confidence": row["confidence"],
                "citations": quoted([one for part in said for one in part.citations]),
            },
            said=said,
        )


def _by_value(result: Any, shown: Json) -> Iterator[Entry]:
    """One entry for each thing that is said, under what it is a part of."""
    for part in values(result, shown["evidence"]):
        label = part.label or ""
        yield Entry(
            title=label,
            raw={"field": label, "value": part.text, "citations": list(part.citations)},
            columns={"field": label, "value": part.text, "citations": quoted(part.citations)},
            said=[Said(text=part.text, citations=part.citations)],
        )


def values(result: Any, evidence: Json) -> Iterator[Said]:
    """Every plain value of a result in its order, with the places that it rests on."""
    return _said(result, "", evidence, "")


def _said(value: Any, pointer: str, evidence: Json, label: str) -> Iterator[Said]:
    """Every plain value in its order; evidence of a whole stands with the first of its parts."""
    citations = list(evidence.get(pointer, ()))
    if isinstance(value, Mapping | list):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, one in inner:
            step = str(key).replace("~", "~0").replace("/", "~1")
            shown = str(key + 1) if isinstance(key, int) else str(key).replace("_", " ")
            for said in _said(one, f"{pointer}/{step}", evidence, f"{label} {shown}".strip()):
                both = [*citations, *said.citations]
                yield Said(text=said.text, citations=both, label=said.label)
                citations = []
    elif value is not None and value != "":
        yield Said(text=_text(value), citations=citations, label=label)


def _within(under: str, evidence: Json) -> dict[str, Any]:
    """Evidence of one document, by pointers into its value."""
    return {
        pointer.removeprefix(under): found
        for pointer, found in evidence.items()
        if pointer == under or pointer.startswith(f"{under}/")
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(value: Any) -> Cell:
    plain = value is None or isinstance(value, str | int | float)
    return value if plain else json.dumps(value, ensure_ascii=False)
