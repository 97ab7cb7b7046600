"""Question and passages to a grounded answer, in one straight line.

The engine states, `rag.cite` checks: a quote that is not where it is said to be is dropped
and counted, a sentence left without a quote is dropped too, and when nothing is left the
documents do not say. Streaming is the same line: `stream` yields what happens, `answer`
takes the last of it. Nothing is streamed before its quotes have been located.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from rag.cite import Source, cite
from rag.errors import NotFound
from rag.models.engine import Context, Engine
from rag.models.tasks import AnswerTask, Statement
from rag.sentences import split
from rag.types import Answer, Citation, Passage, Sentence

NOT_FOUND = "Not found in these documents."
# Code points from a document's beginning in which it says what it is.
OPENING = 1_000
# Code points of a sentence that may lie outside its passage.
_LONGEST_REST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagesFound:
    """What the answer will be drawn from."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The next piece of the answer's text; all pieces joined are ``Answer.text``."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """A located quote of the sentence at position ``sentence`` of the answer."""

    sentence: int
    citation: Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The whole answer; always the last event."""

    answer: Answer


Event: TypeAlias = PassagesFound | Delta | Cited | Answered


def answer(
    question: str,
    *,
    passages: Sequence[Passage],
    engine: Engine,
    source: Source,
    context: Context | None = None,
) -> Answer:
    """Answer a question from passages; see `stream`."""
    events = stream(question, passages=passages, engine=engine, source=source, context=context)
    return next(event.answer for event in events if isinstance(event, Answered))


def stream(
    question: str,
    *,
    passages: Sequence[Passage],
    engine: Engine,
    source: Source,
    context: Context | None = None,
) -> Iterator[Event]:
    """Answer a question from passages, telling what happens as it happens.

    Args:
        question: The question as asked.
        passages: What was retrieved for it, best first; sentences cut by them are completed.
        engine: What reads the passages.
        source: The stored documents, in which every quote is looked up.
        context: For whom; the default tenant when not given.

    Yields:
        The passages, then for each sentence its text and citations, then the answer.
    """
    whole = tuple(_in_whole_sentences(passage, source) for passage in passages)
    openings = {one.document_id: _opening(one.document_id, source) for one in whole}
    task = AnswerTask(question=question, passages=whole, openings=openings)
    yield PassagesFound(passages=task.passages)
    started = time.perf_counter()
    outcome = engine.run(task, context or Context())
    engine_ms = _since(started)

    sentences: list[Sentence] = []
    dropped = 0
    locate_ms = 0.0
    for statement in outcome.value:
        started = time.perf_counter()
        sentence, lost = _ground(statement, task.passages, source)
        locate_ms += _since(started)
        dropped += lost
        if sentence is None:
            continue
        yield Delta(text=f" {sentence.text}" if sentences else sentence.text)
        for citation in sentence.citations:
            yield Cited(sentence=len(sentences), citation=citation)
        sentences.append(sentence)
    if not sentences:
        yield Delta(text=NOT_FOUND)
    yield Answered(
        answer=Answer(
            question=question,
            text=" ".join(sentence.text for sentence in sentences) or NOT_FOUND,
            sentences=tuple(sentences),
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
            timings={**outcome.timings, "engine": engine_ms, "locate": locate_ms},
        )
    )


def _opening(document_id: str, source: Source) -> str:
    try:
        return source.read(document_id, 0, OPENING)
    except NotFound:
        return ""


def _in_whole_sentences(passage: Passage, source: Source) -> Passage:
    """The passage from the start of its first sentence to the end of its last.

    Chunks end where the model's window does, often inside a sentence. A sentence that goes on
    for longer than a passage is wide is left as it was cut.
    """
    first = max(0, passage.start - _LONGEST_REST)
    try:
        text = source.read(passage.document_id, first, passage.end + _LONGEST_REST)
    except NotFound:
        return passage
    touched = [
        span
        for span in split(text)
        if first + span.start < passage.end and passage.start < first + span.end
    ]
    if not touched:
        return passage
    start, end = first + touched[0].start, first + touched[-1].end
    if touched[0].start == 0 and first:  # it may have begun still earlier
        start = passage.start
    if touched[-1].end == len(text) and len(text) == passage.end + _LONGEST_REST - first:
        end = passage.end
    start, end = min(start, passage.start), max(end, passage.end)
    return replace(passage, start=start, end=end, text=text[start - first : end - first])


def _ground(
    statement: Statement, passages: Sequence[Passage], source: Source
) -> tuple[Sentence | None, int]:
    """A statement with the citations that were located, and how many were not."""
    citations = []
    for evidence in statement.evidence:
        # An engine may name a passage that it was not given.
        if not 0 <= evidence.passage < len(passages):
            continue
        citation = cite(
            evidence.quote,
            passages[evidence.passage],
            source,
            hint=evidence.hint,
            support=evidence.support,
        )
        if citation is not None:
            citations.append(citation)
    lost = len(statement.evidence) - len(citations)
    if not citations or not statement.text.strip():
        return None, lost
    return Sentence(text=statement.text, citations=tuple(citations)), lost


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
