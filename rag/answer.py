"""Question and passages to a grounded answer, in one straight line.

The engine states, `rag.cite` checks: a quote that is not where it is said to be is dropped
and counted, a sentence left without a quote is dropped too, and when nothing is left the
documents do not say. Streaming is the same line: `stream` yields what happens, `answer`
takes the last of it. An answer that is told while it is written may be taken back in part; see
`rag.writing`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rag.cite import Source
from rag.errors import NotFound
from rag.ground import grounded, in_whole_sentences
from rag.models.engine import Context, Engine
from rag.models.tasks import AnswerTask, Outcome
from rag.support import Judge
from rag.types import Answer, Passage
from rag.writing import Cited, Delta, Retracted, Writing, followed

__all__ = [
    "NOT_FOUND",
    "Answered",
    "Cited",
    "Delta",
    "Event",
    "PassagesFound",
    "Retracted",
    "answer",
    "stream",
]

NOT_FOUND = "Not found in these documents."
# Code points from a document's beginning in which it says what it is.
OPENING = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagesFound:
    """What the answer will be drawn from."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The whole answer; always the last event."""

    answer: Answer


Event: TypeAlias = PassagesFound | Delta | Cited | Retracted | Answered


def answer(
    question: str,
    *,
    passages: Sequence[Passage],
    engine: Engine,
    source: Source,
    context: Context | None = None,
    judge: Judge | None = None,
    instructions: str | None = None,
    parts: Sequence[str] = (),
) -> Answer:
    """Answer a question from passages; see `stream`."""
    events = stream(
        question,
        passages=passages,
        engine=engine,
        source=source,
        context=context,
        judge=judge,
        instructions=instructions,
        parts=parts,
    )
    return next(event.answer for event in events if isinstance(event, Answered))


def stream(
    question: str,
    *,
    passages: Sequence[Passage],
    engine: Engine,
    source: Source,
    context: Context | None = None,
    judge: Judge | None = None,
    instructions: str | None = None,
    parts: Sequence[str] = (),
    live: bool = False,
) -> Iterator[Event]:
    """Answer a question from passages, telling what happens as it happens.

    Args:
        question: The question as asked.
        passages: What was retrieved for it, best first; sentences cut by them are completed.
        engine: What reads the passages.
        source: The stored documents, in which every quote is looked up.
        context: For whom; the default tenant when not given.
        judge: Says how well each quote supports its sentence; without one that stays unknown.
        instructions: The asker's wishes as to length, tone and language.
        parts: The questions that it is made of; none when it is one.
        live: Tell what an engine writes while it writes it.

    Yields:
        The passages, then for each sentence its text and citations, then the answer. A live
        answer's sentences may be taken back.
    """
    whole = tuple(in_whole_sentences(passage, source) for passage in passages)
    documents = dict.fromkeys(one.document_id for one in whole)
    openings = {document_id: _opening(document_id, source) for document_id in documents}
    task = AnswerTask(
        question=question,
        passages=whole,
        openings=openings,
        instructions=instructions,
        parts=tuple(parts),
    )
    yield PassagesFound(passages=task.passages)
    started = time.perf_counter()
    writing = Writing(task.passages, source, judge)
    if live:
        for part in followed(engine, task, context or Context()):
            if isinstance(part, Outcome):
                outcome = part
            else:
                yield from writing.tell(part)
    else:
        outcome = engine.run(task, context or Context())
    engine_ms = _since(started)

    started = time.perf_counter()
    found = [grounded(statement, task.passages, source) for statement in outcome.value]
    timings = {"engine": engine_ms, "locate": _since(started)}
    dropped = sum(lost for _, lost in found)
    started = time.perf_counter()
    yield from writing.settle([sentence for sentence, _ in found if sentence is not None])
    sentences = writing.sentences
    if judge is not None:
        timings["support"] = _since(started)
    if not sentences:
        yield Delta(sentence=0, text=NOT_FOUND)
    yield Answered(
        answer=Answer(
            question=question,
            text=" ".join(sentence.text for sentence in sentences) or NOT_FOUND,
            sentences=sentences,
            found=bool(sentences),
            # What was sure of statements that did not hold is not sure that there are none.
            confidence=outcome.confidence if sentences or not outcome.value else None,
            engine=outcome.engine,
            usage=outcome.usage,
            dropped_citations=dropped,
            prompt=outcome.prompt,
            revision=outcome.revision,
            notes=outcome.notes,
            decisions=outcome.decisions,
            passages=task.passages,
            timings={**outcome.timings, **timings},
        )
    )


def _opening(document_id: str, source: Source) -> str:
    try:
        return source.read(document_id, 0, OPENING)
    except NotFound:
        return ""


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
