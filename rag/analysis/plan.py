"""How an analysis will go: the stretches that are read, and what that will take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from rag.analysis.kinds import KINDS
from rag.analysis.kinds.report import SECTIONS
from rag.analysis.library import Library, Text
from rag.analysis.reading import titled
from rag.analysis.requests import Kind, Request
from rag.analysis.stretches import Stretch, stretches
from rag.errors import InvalidRequest
from rag.models.engine import Context, Engine, Forecast
from rag.types import Passage, Span

FAN_IN = 8
"""Results that are merged into one at a time."""

# Bytes of a stretch where the window sets no bound: in longer texts, models overlook things. The
# offline engine compares so many sentences; for fields it looks at all of a text.
_MOST_BYTES, _MOST_OFFLINE = 64_000, 32_000
_FEWEST_BYTES = 600
_PASSAGE_BYTES = 6_000
# What frames a passage in a prompt takes, as a share of it, and what is left free beside.
_FRAMED, _FREE = 0.9, 400
# About what there is of a stretch when it is merged: so many sentences like this one.
_SENTENCES = 7
_SENTENCE = (
    "The supplier shall deliver the goods within thirty days of the order, and shall bear all "
    "costs of carriage and insurance until they have been accepted by the buyer in writing."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a text that is to be read; ``alone`` when it is all that a result is made of."""

    text: Text
    stretch: Stretch
    alone: bool

    def as_json(self) -> dict[str, Any]:
        """What an item keeps of it: where the text is, not the text."""
        return {
            "document": self.text.id,
            "generation": self.text.generation,
            **asdict(self.stretch),
            "alone": self.alone,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What an analysis will take, before it is begun. See `Forecast`."""

    documents: int
    stretches: int
    merges: int
    forecast: Forecast
    engine: str


def pieces(request: Request, library: Library, engine: Engine, context: Context) -> Iterator[Piece]:
    """The stretches of all texts, in order.

    Raises:
        InvalidRequest: The engine's window has no room for any text.
        NotFound: There is no such document or collection.
        Conflict: A document cannot be read yet, or at all.
    """
    room = _room(request, engine, context)
    waiting: Piece | None = None
    for text in library.texts(request.scope):
        whole = library.read(text.id, 0, text.length)
        found = stretches(whole, library.blocks(text.id), room=room)
        for one in found:
            piece = Piece(text=text, stretch=one, alone=len(found) == 1)
            if request.by_document:
                yield piece
                continue
            if waiting is not None:
                yield replace(waiting, alone=False)
                waiting = replace(piece, alone=False)
            else:
                waiting = piece if len(found) == 1 else replace(piece, alone=False)
    if waiting is not None:
        yield waiting


def passages_of(library: Library, text: Text, stretch: Stretch) -> tuple[Passage, ...]:
    """A stretch as passages, whose titles name the headings above it too."""
    whole = library.read(text.id, stretch.carried, stretch.end)
    made = []
    for one in stretches(whole, (), room=_PASSAGE_BYTES):
        start = stretch.carried + one.start
        piece = text.passage(start, whole[one.start : one.end])
        pages = library.pages(text.id, Span(start=piece.start, end=piece.end))
        numbers = [page.number for page in pages]
        first, last = min(numbers, default=None), max(numbers, default=None)
        made.append(replace(piece, start_page=first, end_page=last))
    return titled(made, stretch.path)


def dry_run(request: Request, library: Library, engine: Engine, context: Context) -> DryRun:
    """What an analysis will take: each call that reads text as it will be made, merges about.

    Raises:
        IbidemError: As `pieces`.
    """
    kind = KINDS[request.kind]
    whole = Forecast()
    documents: dict[str, int] = {}
    length = 0
    for piece in pieces(request, library, engine, context):
        passages = passages_of(library, piece.text, piece.stretch)
        whole += engine.forecast(kind.task(request, passages), context)
        documents[piece.text.id] = documents.get(piece.text.id, 0) + 1
        length += piece.stretch.end - piece.stretch.start
    counts = list(documents.values()) if request.by_document else [sum(documents.values())]
    merges = sum(map(_merges, counts))
    for several, times in _asked_to_merge(request, counts):
        passages = _stand_in(several, length // max(1, sum(counts)))
        whole += engine.forecast(kind.task(request, passages), context).times(times)
    return DryRun(
        documents=len(documents),
        stretches=sum(documents.values()),
        merges=merges,
        forecast=whole,
        engine=engine.id,
    )


def groups(size: int) -> list[range]:
    """So many results in groups of at most `FAN_IN`, which are as even as they can be."""
    number = -(-size // FAN_IN)
    edges = [size * at // number for at in range(number + 1)]
    return [range(start, end) for start, end in pairwise(edges)]


def _merges(count: int) -> int:
    """How often results are merged until there is one."""
    total = 0
    while count > 1:
        count = len(groups(count))
        total += count
    return total


def _asked_to_merge(request: Request, counts: list[int]) -> Iterator[tuple[int, int]]:
    """Of how many stretches tasks see the findings that are run to merge them, and how many are."""
    if request.kind in (Kind.SUMMARY, Kind.REASONING):
        yield min(FAN_IN, max(counts, default=1)), sum(map(_merges, counts))
    elif request.kind is Kind.REPORT:
        sections = request.findings or SECTIONS
        for count in counts:
            yield count, 1  # the outline
            yield -(-count // sections), sections


def _room(request: Request, engine: Engine, context: Context) -> int:
    """Bytes of text that a stretch can have."""
    free = engine.forecast(KINDS[request.kind].task(request, ()), context).room
    if free is None:
        return _MOST_BYTES if request.kind is Kind.EXTRACTION else _MOST_OFFLINE
    room = int(free * _FRAMED) - _FREE
    if room < _FEWEST_BYTES:
        raise InvalidRequest(
            f"The window of {engine.id} has no room for text beside this schema and these "
            "instructions; shorten them, or if its window is larger, say so after the model's name "
            "(#window=TOKENS).",
            param="engine",
        )
    return min(room, _MOST_BYTES)


def _stand_in(several: int, length: int) -> tuple[Passage, ...]:
    """Passages as a merge of stretches of a length will have them, before anything is found."""
    text = Text(id="", title="", name="", length=0)
    each = min(_SENTENCES, max(1, length // len(_SENTENCE)))
    return (text.passage(0, _SENTENCE),) * (several * each)
