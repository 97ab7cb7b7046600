"""An analysis as work of many items: a stretch is read by each, and what they found is merged.

The items of round 0 read stretches. Those of the rounds after it merge up to `FAN_IN` results
each, until a document, or all of them together, has one. An item that makes a result, and no part
of one, finishes it: chooses values, looks places up again, says what is doubtful.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

from rag.analysis import results as made
from rag.analysis.kinds import KINDS, Body
from rag.analysis.library import GivenText, Library
from rag.analysis.plan import FAN_IN, passages_of, pieces
from rag.analysis.reading import Reading
from rag.analysis.requests import Kind, Request
from rag.analysis.stretches import Stretch
from rag.errors import Conflict, NotFound
from rag.models.engine import Engine
from rag.work import Done, Failed, Item, NewItem, Produced, WorkSpec

OpenLibrary = Callable[[str], Library]
"""The library of a tenant."""
ChooseEngine = Callable[[WorkSpec, Request], Engine]
"""What reads, of those that a request may name."""

_UNREAD = {one.code: one for one in (NotFound, Conflict)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyses:
    """The work of analyses; the body of its spec is a request as JSON."""

    library: OpenLibrary
    engine: ChooseEngine

    def items(self, spec: WorkSpec, last: NewItem | None = None) -> Iterator[NewItem]:
        """An item for each stretch of each text, and for each text that cannot be read."""
        request, library = self._opened(spec)
        engine = self.engine(spec, request)
        known = None if last is None else last.payload
        found = pieces(request, library, engine, spec.context, last=known)
        for position, piece in enumerate(found, start=0 if last is None else last.position + 1):
            yield NewItem(position=position, payload=piece.as_json())

    def run(self, spec: WorkSpec, item: Item) -> Produced:
        """Read a stretch, or merge what was found in several."""
        request, library = self._opened(spec)
        kind = KINDS[request.kind]
        reading = Reading(self.engine(spec, request), spec.context, library)
        payload = item.payload
        if item.round == 0:
            body, documents = _read(request, payload, library, reading)
            chunks = 1
        else:
            children = payload["children"]
            documents = frozenset(payload["documents"])
            chunks = sum(one["chunks"] for one in children)
            body = (
                kind.merge(request, [one["body"] for one in children], reading)
                if len(children) > 1
                else children[0]["body"]
            )
        value: dict[str, Any] = {
            "group": payload["document"] if request.by_document else "",
            "documents": sorted(documents),
            "chunks": chunks,
        }
        if payload["alone"]:
            finished = kind.finish(request, body, reading)
            value["finished"] = made.finished_json(finished, request, reading)
        else:
            value["body"] = body
        value["taken"] = made.taken(reading)
        return Produced(value=value, documents=frozenset(filter(None, documents)))

    def after(self, spec: WorkSpec, round: int, results: Iterable[Done]) -> Iterator[NewItem]:
        """An item for each few results that are to be merged.

        Which these are depends on where they stand in the whole: when one is missing, as once a
        document was deleted, the other merges are as they were, and their calls are known.
        """
        free = 0
        waiting = (one for one in results if "body" in one.value)
        for group, children in groupby(waiting, key=lambda one: one.value["group"]):
            for at, some, alone in _together(children, from_first=bool(group)):
                last = free + at
                payload = _merge(group, some, alone=alone)
                documents = frozenset(filter(None, payload["documents"]))
                yield NewItem(position=last, payload=payload, documents=documents)
            free = last + 1

    def finish(
        self, spec: WorkSpec, results: Iterable[Done], failures: Iterable[Failed]
    ) -> Produced:
        """The result of all, and what was read for it."""
        request, library = self._opened(spec)
        return made.result(request, library, results, failures)

    def _opened(self, spec: WorkSpec) -> tuple[Request, Library]:
        request = Request.from_json(spec.body["request"])
        if request.scope.text is not None:
            return request, GivenText(request.scope.text)
        return request, self.library(spec.tenant)


def value_of(value: Mapping[str, Any], request: Request, reading: Reading) -> Any:
    """What an item found, as a result of its own; nobody is asked."""
    if "finished" in value:
        return value["finished"]["value"]
    if request.kind is Kind.REPORT:  # its text is written only at the end
        return [one["text"] for one in value["body"]["statements"]]
    return KINDS[request.kind].finish(request, value["body"], reading).value


def _read(
    request: Request, payload: Mapping[str, Any], library: Library, reading: Reading
) -> tuple[Body, frozenset[str]]:
    """What a stretch says.

    Raises:
        NotFound: The document was deleted.
        Conflict: It could not be read when the analysis began, or was read anew since then, and
            may have another text.
    """
    if unread := payload["unread"]:
        raise _UNREAD[unread["code"]](unread["message"])
    text = library.document(payload["document"])
    if text.generation != payload["generation"]:
        raise Conflict(f"Document {text.id!r} was changed while it was analyzed.")
    stretch = Stretch(
        start=payload["start"],
        end=payload["end"],
        carried=payload["carried"],
        path=tuple((first, last) for first, last in payload["path"]),
    )
    passages = passages_of(library, text, stretch)
    body = KINDS[request.kind].read(request, passages, reading)
    return body, frozenset({text.id})


def _together(
    children: Iterator[Done], *, from_first: bool
) -> Iterator[tuple[int, list[Done], bool]]:
    """Which results are merged into which, and whether that one is all; a few are in memory."""
    first = next(children)
    start = first.position if from_first else 0
    parts = groupby(chain((first,), children), key=lambda one: (one.position - start) // FAN_IN)
    at, merged = next((at, list(some)) for at, some in parts)
    alone = True
    for after, more in parts:
        yield at, merged, False
        at, merged, alone = after, list(more), False
    yield at, merged, alone


def _merge(group: str, children: list[Done], *, alone: bool) -> dict[str, Any]:
    documents = {one for child in children for one in child.value["documents"]}
    return {
        "document": group,
        "children": [{name: one.value[name] for name in ("body", "chunks")} for one in children],
        "documents": sorted(documents),
        "alone": alone,
    }
