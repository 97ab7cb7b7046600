"""Extraction: values of all stretches side by side, and in the end one record by the schema."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from rag.analysis import tree
from rag.analysis.kinds.base import Body, Doubt, Finished, characters
from rag.analysis.reading import Place, Reading
from rag.analysis.requests import Request
from rag.analysis.things import resolved
from rag.models.tasks import ExtractTask
from rag.pointers import below
from rag.types import Passage

# Text around a name in which a short form for it may be introduced.
_AROUND = 120


class Extracting:
    """A record by a schema; what is not mentioned is left out of it, or null."""

    def task(self, request: Request, passages: tuple[Passage, ...]) -> ExtractTask:
        """The record that the passages state."""
        return ExtractTask(
            passages=passages, instructions=request.instructions, schema=request.fields
        )

    def read(self, request: Request, passages: tuple[Passage, ...], reading: Reading) -> Body:
        """The values whose quotes stand in the passages."""
        outcome = reading.run(self.task(request, passages))
        value = outcome.value
        grown = tree.tree_of(
            value.value, value.fields, lambda field: reading.locate(field.evidence, passages)
        )
        return {"tree": grown, "characters": characters(passages)}

    def merge(self, request: Request, bodies: Sequence[Body], reading: Reading) -> Body:
        """All that was found; no value is chosen yet."""
        return {
            "tree": reduce(tree.merged, (one["tree"] for one in bodies)),
            "characters": sum(one["characters"] for one in bodies),
        }

    def finish(self, request: Request, body: Body, reading: Reading) -> Finished:
        """The record, and what a person should look at."""
        schema = request.fields
        if body["tree"] is None:
            empty = _with_nulls({}, schema)
            return Finished(
                value=empty, evidence={}, confidence=None, not_mentioned=_missing(empty, schema)
            )
        whole = resolved(body["tree"], lambda place: reading.around(place, _AROUND))
        value = _with_nulls(tree.value_of(whole), schema)
        chosen = {pointer: tree.best(leaf) for pointer, leaf in tree.leaves(whole)}
        confidences = {at: one["c"] for at, one in chosen.items() if one["c"] is not None}
        return Finished(
            value=value,
            evidence={at: [Place(*one) for one in of["at"]] for at, of in chosen.items()},
            confidence=min(confidences.values(), default=None),
            confidences=confidences,
            spellings={at: of["also"] for at, of in chosen.items() if of["also"]},
            not_mentioned=_missing(value, schema),
            doubts=_conflicts(whole),
        )


def _conflicts(whole: tree.Tree) -> list[Doubt]:
    """Leaves of which places say different things."""
    found = []
    for pointer, leaf in tree.leaves(whole):
        if len(leaf["of"]) > 1:
            chosen = tree.best(leaf)
            others = [one for one in leaf["of"] if one is not chosen]
            found.append(
                Doubt(
                    pointer=pointer,
                    reason="disagreement",
                    detail=f"The text gives {len(leaf['of'])} different values.",
                    value=chosen["v"],
                    confidence=chosen["c"],
                    alternatives=tuple(
                        {"value": one["v"], "at": one["at"], "confidence": one["c"]}
                        for one in others
                    ),
                )
            )
    return found


def _with_nulls(value: Any, schema: Any) -> Any:
    """The value with null, or an empty list, for what is required and not mentioned."""
    if not isinstance(value, dict) or not isinstance(schema, dict):
        return value
    properties = schema.get("properties", {})
    made = {name: _with_nulls(one, properties.get(name)) for name, one in value.items()}
    for name in schema.get("required", ()):
        if name not in made:
            own = properties.get(name)  # a schema may be true, too
            is_list = isinstance(own, dict) and own.get("type") == "array"
            made[name] = [] if is_list else None
    return made


def _missing(value: Any, schema: Any) -> list[str]:
    """Pointers of the properties that are not mentioned; of what is missing, not its parts."""
    return [
        below("", name)
        for name in schema.get("properties", {})
        if value.get(name) in (None, [], {})
    ]
