"""What files of results are made of, whatever the results are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Cell: TypeAlias = str | int | float | bool | None
Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something that is said, and the places that it rests on, as `CitationOut` tells them.

    ``label`` is what it is an answer to, such as the name of a field. ``confidence`` is how
    probable it is to be right, ``None`` where nobody said. ``corrected_by`` is who put it right.
    """

    text: str
    citations: Sequence[Json] = ()
    label: str | None = None
    confidence: float | None = None
    corrected_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One result: all of it, as a row of a table, and as a part of a report.

    All entries of a file have the same ``columns``.
    """

    title: str
    raw: Json
    columns: Mapping[str, Cell]
    said: Sequence[Said] = ()
    error: str | None = None


def quoted(citations: Sequence[Json]) -> str:
    """Citations in a cell: a line for each, with its place and its words."""
    return "\n".join(f"{place(one)}: “{one['cited_text']}”" for one in citations)


def place(citation: Json) -> str:
    """Where a citation stands, for a reader."""
    title = str(citation["document_title"] or citation["document_name"])
    first, last = citation["start_page_number"], citation["end_page_number"]
    if first is None:
        return title
    return f"{title}, p. {first}" if last in (None, first) else f"{title}, pp. {first}-{last}"
