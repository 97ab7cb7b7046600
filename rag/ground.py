"""What an engine is given to read, and what becomes of the quotes that it hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from rag.cite import Source, cite
from rag.errors import NotFound
from rag.models.tasks import Evidence, Statement
from rag.sentences import split
from rag.types import Citation, Passage, Sentence, Span

# Code points of a sentence that may lie outside its passage.
_LONGEST_REST = 400


def in_whole_sentences(passage: Passage, source: Source) -> Passage:
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
        for span in _sentences(text)
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


@lru_cache(maxsize=512)
def _sentences(text: str) -> tuple[Span, ...]:
    """The sentences of a passage and what is around it: many questions meet the same ones."""
    return tuple(split(text))


def citations(
    claimed: Sequence[Evidence], passages: Sequence[Passage], source: Source
) -> tuple[tuple[Citation, ...], int]:
    """The quotes that were located, and how many were not."""
    found = []
    for evidence in claimed:
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
            found.append(replace(citation, answer=_answer(evidence, citation)))
    return tuple(found), len(claimed) - len(found)


def grounded(
    statement: Statement, passages: Sequence[Passage], source: Source
) -> tuple[Sentence | None, int]:
    """A statement with the citations that were located, and how many were not."""
    located, lost = citations(statement.evidence, passages, source)
    if not located or not statement.text.strip():
        return None, lost
    return Sentence(text=statement.text, citations=located), lost


def _answer(evidence: Evidence, citation: Citation) -> Span | None:
    """The words that answer, where they stand; unknown when the quote was not verbatim."""
    if evidence.answer is None or citation.cited_text != evidence.quote:
        return None
    start, end = evidence.answer.start, evidence.answer.end
    return Span(start=citation.start + start, end=citation.start + end)
