"""Records by a caller's schema, and what each of their values rests on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag.models.schema import Schema, check_schema, without_nulls
from rag.models.tasks import Extraction, ExtractTask, Field
from rag.models.wording.base import Read, Said, Wording, evidence
from rag.models.wording.gaps import with_gaps
from rag.pointers import below

_MOST_NAMED = 5


def _inputs(task: ExtractTask) -> Mapping[str, Any]:
    return {"schema": json.dumps(task.schema, ensure_ascii=False)}


def _schema(schema: Schema, task: ExtractTask) -> Schema:
    """The prompt's schema with the caller's, in which nothing has to be known, for the value.

    Raises:
        InvalidRequest: The caller's is none that can be asked for.
    """
    check_schema(task.schema)
    definitions = schema.get("$defs", {})
    value, own = with_gaps(task.schema, taken=definitions)
    return {
        **schema,
        "properties": {**schema["properties"], "value": value},
        "$defs": {**definitions, **own},
    }


def _read(said: Said, task: ExtractTask) -> Read[Extraction]:
    """The record, and its fields by what the model says of them or of what holds them."""
    value = without_nulls(said["value"], task.schema)
    told = _by_pointer(said["fields"], task)
    fields: dict[str, Field] = {}
    bare: list[str] = []
    covering: set[str] = set()
    for leaf in _leaves(value, ""):
        around = [one for one in _upwards(leaf) if one in told]
        if around:
            fields[leaf] = told[around[0]]
            covering.update(around)
        else:
            bare.append(leaf)
    known = [one.confidence for one in fields.values() if one.confidence is not None]
    aside = len(set(told) - covering)  # by names that the model gave
    notes = (
        f"Evidence was left aside for what is not in the record: {aside}." if aside else "",
        _note("The model gave no evidence for", bare),
    )
    return Read(
        value=Extraction(value=value, fields=fields),
        confidence=min(known, default=None),
        notes=tuple(note for note in notes if note),
    )


def _by_pointer(said: Sequence[Said], task: ExtractTask) -> dict[str, Field]:
    """What is said of each pointer; of one that comes twice, both, and the lower confidence."""
    told: dict[str, Field] = {}
    for one in said:
        pointer = "/" + one["pointer"].strip().removeprefix("#").strip("/")
        found = Field(
            evidence=evidence(one["evidence"], task.passages), confidence=float(one["confidence"])
        )
        if (other := told.get(pointer)) is not None:
            known = [c for c in (other.confidence, found.confidence) if c is not None]
            found = Field(evidence=(*other.evidence, *found.evidence), confidence=min(known))
        told[pointer] = found
    return told


def _leaves(value: Any, pointer: str) -> Iterator[str]:
    """The pointers of the values that hold no others and are not null."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _leaves(one, below(pointer, name))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _leaves(one, f"{pointer}/{place}")
    elif value is not None:
        yield pointer


def _upwards(pointer: str) -> Iterator[str]:
    """A pointer, and those of what its value is in, but for the record as a whole."""
    while pointer:
        yield pointer
        pointer = pointer.rpartition("/")[0]


def _note(what: str, pointers: Sequence[str]) -> str:
    if not pointers:
        return ""
    named = ", ".join(sorted(pointers)[:_MOST_NAMED])
    more = len(pointers) - _MOST_NAMED
    return f"{what}: {named}{f' and {more} more' if more > 0 else ''}."


EXTRACT = Wording(name="extract", read=_read, inputs=_inputs, schema=_schema, output_tokens=4_096)
