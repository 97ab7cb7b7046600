"""Fields of CUAD's contracts, which are marked in their texts.

A value counts as right when what is quoted for it shares characters with a marked place; a date
must be one that stands there, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rag.models.engine import Context
from rag.models.offline.engine import OfflineEngine
from rag.models.offline.values import Kind, find
from rag.models.tasks import Extraction, ExtractTask, Field
from rag.types import Passage
from tests.benchmarks.datasets import rows
from tests.benchmarks.task_sets import one_passage

_DATE = {"type": "string", "format": "date"}
MARKED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "agreement_date": (
        "Agreement Date",
        {**_DATE, "description": "Date on which the agreement is made, dated or entered into"},
    ),
    "effective_date": (
        "Effective Date",
        {**_DATE, "description": "Date from which the agreement is effective"},
    ),
    "governing_law": (
        "Governing Law",
        {
            "type": "string",
            "description": "State or country under whose laws the agreement is governed and "
            "construed",
        },
    ),
    "term": (
        "Expiration Date",
        {
            "type": "string",
            "description": "Period of years or months for which the agreement remains in effect",
        },
    ),
    "parties": (
        "Parties",
        {
            "type": "array",
            "items": {"type": "string"},
            "description": "Parties by and between whom the agreement is made",
        },
    ),
}
"""By field: what CUAD calls it, and the schema that it is asked for with."""
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {field: schema for field, (_, schema) in MARKED.items()},
}
Counts = Mapping[str, tuple[int, int, int]]
"""By field: values that are right, values given, and places that are to be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A contract, and where the values of its fields stand."""

    passages: tuple[Passage, ...]
    places: Mapping[str, Sequence[tuple[int, int]]]


def contracts(folder: Path, most: int) -> list[Marked]:
    """The first so many contracts of the set."""
    found = {
        (row["doc_id"], row["category"]): [(one["start"], one["end"]) for one in row["spans"]]
        for row in rows(folder / "fields_and_spans.jsonl.gz")
    }
    return [
        Marked(
            passages=one_passage(row["text"], row["title"]),
            places={
                field: found.get((row["_id"], category), ())
                for field, (category, _) in MARKED.items()
            },
        )
        for row in islice(rows(folder / "corpus.jsonl.gz"), most)
    ]


def filled(engine: OfflineEngine, one: Marked) -> Counts:
    """What an engine makes of the fields of a contract.

    Of a field with one value it is enough to find one of the places.
    """
    found = engine.run(ExtractTask(passages=one.passages, schema=SCHEMA), Context()).value
    text = one.passages[0].text
    counts = {}
    for field, places in one.places.items():
        many = SCHEMA["properties"][field]["type"] == "array"
        given = list(_given(found, field))
        dated = SCHEMA["properties"][field].get("format") == "date"
        right = [
            any(
                _is_at(own, place) and (not dated or _says(value, text[slice(*place)]))
                for place in places
            )
            for value, own in given
        ]
        wanted = len(places) if many else min(1, len(places))
        counts[field] = (min(sum(right), wanted), len(given), wanted)
    return counts


def _given(found: Extraction, field: str) -> Iterator[tuple[Any, Field]]:
    value = found.value.get(field)
    if isinstance(value, list):
        yield from ((one, found.fields[f"/{field}/{at}"]) for at, one in enumerate(value))
    elif value is not None:
        yield value, found.fields[f"/{field}"]


def _is_at(field: Field, place: tuple[int, int]) -> bool:
    start, end = place
    return any(one.hint < end and start < one.hint + len(one.quote) for one in field.evidence)


def _says(value: Any, marked: str) -> bool:
    """Whether it is a date of a marked place; of one without any, as good as nothing is known."""
    dates = {one.iso for one in find(Kind.DATE, marked)} - {None}
    return not dates or value in dates
