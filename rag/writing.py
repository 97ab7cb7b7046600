"""An answer while it is being written: what is told of it at once, and what is taken back.

An engine that writes is followed sentence by sentence. Words are told as they come; once a
sentence is whole its quotes are located, and it is taken back if none can be. What the engine
hands back in the end counts: where that is another, the sentences told so far are taken back.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from rag.cite import Source
from rag.ground import grounded
from rag.models.drafts import Begun, Part, Words
from rag.models.engine import Context, Engine
from rag.models.tasks import AnswerTask, Outcome, Statement
from rag.support import Judge, judged
from rag.types import Citation, Passage, Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The next piece of the text of a sentence, counted from 0.

    All pieces joined are ``Answer.text``, less those of sentences that were taken back.
    """

    sentence: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """A located quote of the sentence at position ``sentence`` of the answer."""

    sentence: int
    citation: Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class Retracted:
    """This sentence is taken back, and all that came after it; its number is given anew."""

    sentence: int


Told: TypeAlias = Delta | Cited | Retracted


def followed(
    engine: Engine, task: AnswerTask, context: Context
) -> Iterator[Part | Outcome[tuple[Statement, ...]]]:
    """What an engine says while it works on a task, and last what it hands back.

    It goes on in a thread when nobody listens any more: a reply that is paid for is kept.
    """
    said: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            said.put(engine.run(task, replace(context, listener=said.put)))
        except BaseException as error:
            said.put(error)

    threading.Thread(target=copy_context().run, args=(work,), name="answer", daemon=True).start()
    while not isinstance(one := said.get(), Outcome):
        if isinstance(one, BaseException):
            raise one
        yield one
    yield one


class Writing:
    """The sentences that were told so far, each located and judged."""

    def __init__(
        self, passages: Sequence[Passage], source: Source, judge: Judge | None = None
    ) -> None:
        self._passages = passages
        self._source = source
        self._judge = judge
        self._told: list[Sentence] = []
        self._words = ""

    def tell(self, part: Part) -> Iterator[Told]:
        """What is to be told of the next part."""
        match part:
            case Words():
                yield self._delta(part.text)
            case Statement():
                yield from self._whole(part)
            case Begun():
                yield from self._back_to(0)

    def settle(self, sentences: Sequence[Sentence]) -> Iterator[Told]:
        """End with these sentences, not judged yet, whatever was told before."""
        kept = 0
        for told, final in zip(self._told, sentences, strict=False):
            if _unjudged(told) != _unjudged(final):
                break
            kept += 1
        yield from self._back_to(kept)
        for sentence in judged(sentences[kept:], self._judge):
            yield from self._all_of(sentence)

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """What was told and not taken back."""
        return tuple(self._told)

    def _delta(self, text: str) -> Delta:
        gap = " " if self._told and not self._words else ""
        self._words += text
        return Delta(sentence=len(self._told), text=gap + text)

    def _whole(self, statement: Statement) -> Iterator[Told]:
        sentence, _ = grounded(statement, self._passages, self._source)
        if sentence is None or sentence.text != self._words:
            yield from self._back_to(len(self._told))
        if sentence is not None:
            yield from self._all_of(judged([sentence], self._judge)[0])

    def _all_of(self, sentence: Sentence) -> Iterator[Told]:
        """The citations of a sentence, and its text unless that was told word by word."""
        if not self._words:
            yield self._delta(sentence.text)
        for citation in sentence.citations:
            yield Cited(sentence=len(self._told), citation=citation)
        self._told.append(sentence)
        self._words = ""

    def _back_to(self, number: int) -> Iterator[Told]:
        """Take back all sentences from this one on."""
        if len(self._told) > number or self._words:
            yield Retracted(sentence=number)
        del self._told[number:]
        self._words = ""


def _unjudged(sentence: Sentence) -> Sentence:
    """A sentence as it was before a judge, whose numbers may differ from one time to the next."""
    citations = tuple(replace(one, support=None) for one in sentence.citations)
    return replace(sentence, citations=citations, support=None)
