"""One item of an analysis being worked on: tasks run, what they took, where their quotes stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from rag.analysis.library import Library
from rag.cite import cite, cite_again
from rag.errors import ModelRejected, NotFound
from rag.ground import in_whole_sentences
from rag.models.engine import Context, Engine
from rag.models.tasks import Evidence, Outcome, Statement, Task, Value
from rag.types import Citation, Located, Passage, Usage


class Place(NamedTuple):
    """Where a quote was found: what a citation is made of again when a result is shown."""

    document_id: str
    start: int
    end: int
    located: str
    support: float | None = None


Said = dict[str, Any]
"""A statement as items keep it: its ``text``, and ``at`` which places it rests."""


def places(said: Said) -> list[Place]:
    """The places of a statement, also of one that was stored as JSON."""
    return [Place(*one) for one in said["at"]]


class Reading:
    """Runs the tasks of one item, and adds up what they took."""

    def __init__(self, engine: Engine, context: Context, library: Library) -> None:
        self._engine = engine
        self._context = context
        self._library = library
        self.usage = Usage()
        self.calls = 0
        self.dropped = 0
        self.engines: dict[str, None] = {}
        self.notes: dict[str, None] = {}

    def run(self, task: Task[Value]) -> Outcome[Value]:
        """What an engine makes of all of the passages.

        Raises:
            ModelError: It could not; also when its window had no room for all of them, since
                what was not read must not pass for read.
        """
        outcome = self._engine.run(task, self._context)
        self.usage += outcome.usage
        self.calls += outcome.attempts
        self.engines[outcome.engine] = None
        self.notes |= dict.fromkeys(outcome.notes)
        shown = outcome.shown
        if shown is not None and (shown.cut or shown.left_out):
            raise ModelRejected(
                f"{outcome.engine} had room for {shown.characters} of {shown.of_characters} "
                "characters; if its window is larger, say so after the model's name "
                "(#window=TOKENS)."
            )
        return outcome

    def room(self, task: Task[Any]) -> int | None:
        """Bytes that the passages of such a task can have; ``None`` for any number."""
        return self._engine.forecast(task, self._context).room

    def said(self, statement: Statement, passages: Sequence[Passage]) -> Said | None:
        """A statement with the places of its quotes; ``None`` when none of them was found."""
        at = self.locate(statement.evidence, passages)
        return {"text": statement.text, "at": at} if at and statement.text.strip() else None

    def all_said(self, statements: Iterable[Statement], passages: Sequence[Passage]) -> list[Said]:
        """Those of the statements that rest on something."""
        found = [self.said(one, passages) for one in statements]
        return [one for one in found if one is not None]

    def locate(self, evidence: Sequence[Evidence], passages: Sequence[Passage]) -> list[Place]:
        """The places of quotes; those that are nowhere are dropped and counted."""
        found: dict[Place, None] = {}
        for one in evidence:
            cited = None
            if 0 <= one.passage < len(passages):
                passage = passages[one.passage]
                cited = cite(one.quote, passage, self._library, hint=one.hint, support=one.support)
            if cited is None:
                self.dropped += 1
                continue
            span = cited.document_id, cited.start, cited.end
            found[Place(*span, cited.located.value, cited.support)] = None
        return list(found)

    def passages(self, found: Iterable[Place]) -> tuple[Passage, ...]:
        """The whole sentences around places, each once, in the order of the places.

        Those of documents that were deleted meanwhile are gone.
        """
        made: dict[tuple[str, int, int], Passage] = {}
        for one in found:
            with suppress(NotFound):
                whole = in_whole_sentences(self._passage(one), self._library)
                made.setdefault((whole.document_id, whole.start, whole.end), whole)
        return tuple(made.values())

    def citations(self, found: Iterable[Place]) -> list[Citation]:
        """The places as citations; those of documents that were deleted are dropped and counted."""
        made = []
        for one in found:
            try:
                passage = self._passage(one)
            except NotFound:
                self.dropped += 1
                continue
            located = Located(one.located)
            citation = cite_again(passage, self._library, located=located, support=one.support)
            if citation is None:
                self.dropped += 1
            else:
                made.append(citation)
        return made

    def around(self, place: Place, margin: int) -> str:
        """The text of a place and what stands around it."""
        first = max(0, place.start - margin)
        with suppress(NotFound):
            return self._library.read(place.document_id, first, place.end + margin)
        return ""

    def _passage(self, place: Place) -> Passage:
        document = self._library.document(place.document_id)
        text = self._library.read(place.document_id, place.start, place.end)
        return document.passage(place.start, text)


def titled(passages: Sequence[Passage], path: Sequence[str]) -> tuple[Passage, ...]:
    """The passages as they are put to an engine: the headings above them go with the title."""
    return tuple(
        replace(one, document_title=" > ".join(filter(None, (one.document_title, *path))))
        for one in passages
    )
