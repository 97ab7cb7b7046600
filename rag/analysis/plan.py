"""How an analysis will go: the stretches that are read, and what that will take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from typing import Any

from rag.analysis.kinds import KINDS
from rag.analysis.kinds.report import SECTIONS
from rag.analysis.library import Library, Text
from rag.analysis.reading import titled
from rag.analysis.requests import Kind, Request
from rag.analysis.stretches import Stretch, heading_words, stretches
from rag.errors import Conflict, InvalidRequest, NotFound
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
    """A stretch of a text that is to be read; ``alone`` when it is all that a result is made of.

    A text of which nothing can be read has one that is empty.
    """

    text: Text
    stretch: Stretch
    alone: bool

    def as_json(self) -> dict[str, Any]:
        """What an item keeps of it: where the text is, not the text."""
        unread = self.text.unread
        return {
            "document": self.text.id,
            "generation": self.text.generation,
            "uploaded": self.text.uploaded,
            "unread": None if unread is None else unread.as_dict(),
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


def pieces(
    request: Request,
    library: Library,
    engine: Engine,
    context: Context,
    *,
    last: Mapping[str, Any] | None = None,
) -> Iterator[Piece]:
    """The stretches of all texts, in order; behind ``last``, which was one of them as JSON.

    Raises:
        InvalidRequest: The engine's window has no room for any text.
        NotFound: There is no such collection.
    """
    room = _room(request, engine, context)
    since = None if last is None else (last["uploaded"], last["document"])
    texts = library.texts(request.scope, since=since)
    found = (one for text in texts for one in _pieces(library, text, room, last))
    if request.by_document:
        yield from found
        return
    first = list(islice(found, 2))
    several = len(first) > 1 or last is not None
    for one in chain(first, found):
        yield replace(one, alone=one.alone and not several)


def _pieces(
    library: Library, text: Text, room: int, last: Mapping[str, Any] | None
) -> Iterator[Piece]:
    """Those of one text, which may be deleted at any time."""
    if last is None or last["document"] != text.id:
        behind = -1
    elif last["unread"] or text.unread:
        return
    elif last["generation"] == text.generation:
        behind = last["start"]
    else:
        changed = Conflict(f"Document {text.id!r} was changed while it was analyzed.")
        text, behind = replace(text, unread=changed), -1
    found: Sequence[Stretch] = ()
    if text.unread is None:
        try:
            whole = library.read(text.id, 0, text.length)
            found = stretches(whole, library.blocks(text.id), room=room)
        except NotFound as gone:
            text = replace(text, unread=gone)
    if text.unread is not None:
        nothing = Stretch(start=0, end=0, carried=0, path=())
        yield Piece(text=text, stretch=nothing, alone=False)
    for one in found:
        if one.start > behind:
            yield Piece(text=text, stretch=one, alone=len(found) == 1)


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
    return titled(made, headings_of(library, text.id, stretch.path))


def headings_of(
    library: Library, document_id: str, path: Iterable[Sequence[int]]
) -> tuple[str, ...]:
    """The words of the headings above a stretch; of a document that was deleted there are none."""
    with suppress(NotFound):
        return tuple(heading_words(library.read(document_id, *place)) for place in path)
    return ()


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
        if piece.text.unread is not None:
            continue
        passages = passages_of(library, piece.text, piece.stretch)
        whole += engine.forecast(kind.task(request, passages), context)
        documents[piece.text.id] = documents.get(piece.text.id, 0) + 1
        length += piece.stretch.end - piece.stretch.start
    counts = list(documents.values()) if request.by_document else [sum(documents.values())]
    times_merged = sum(map(merges, counts))
    for several, times in _asked_to_merge(request, counts):
        passages = _stand_in(several, length // max(1, sum(counts)))
        whole += engine.forecast(kind.task(request, passages), context).times(times)
    return DryRun(
        documents=len(documents),
        stretches=sum(documents.values()),
        merges=times_merged,
        forecast=whole,
        engine=engine.id,
    )


def merges(count: int) -> int:
    """How often results are merged, `FAN_IN` at a time, until there is one."""
    total = 0
    while count > 1:
        whole, rest = divmod(count, FAN_IN)
        total += whole + (rest > 1)  # one that is left is handed on as it is
        count = whole + (rest > 0)
    return total


def _asked_to_merge(request: Request, counts: list[int]) -> Iterator[tuple[int, int]]:
    """Of how many stretches tasks see the findings that are run to merge them, and how many are."""
    if request.kind in (Kind.SUMMARY, Kind.REASONING):
        yield min(FAN_IN, max(counts, default=1)), sum(map(merges, counts))
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
