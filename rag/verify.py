"""Claim and passages to a verdict, in the same straight line as an answer.

The engine judges, `rag.cite` checks: a verdict that rests on no quote which stands in the
passages is none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rag.cite import Source
from rag.ground import citations, in_whole_sentences
from rag.models.engine import Context, Engine
from rag.models.tasks import Verdict, VerifyTask
from rag.support import Judge, judged
from rag.types import Citation, Decision, Page, Passage, PromptUsed, Sentence, Span, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A claim and the verdict on it.

    ``score`` is how sure the engine is of its verdict, from 0 to 1, or ``None`` when it has no
    opinion; the ``support`` of a quote is how well that alone bears the claim out.
    """

    claim: str
    verdict: Verdict
    score: float | None
    evidence: tuple[Citation, ...]
    engine: str
    usage: Usage = field(default_factory=Usage)
    dropped_citations: int = 0
    prompt: PromptUsed | None = None
    revision: str | None = None
    notes: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    passages: tuple[Passage, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by stage."""


class GivenTexts:
    """Texts that are stored nowhere, as a source of quotes; without pages."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def read(self, document_id: str, start: int, end: int) -> str:
        """The text in ``[start, end)``."""
        return self._texts[document_id][start:end]

    def pages(self, document_id: str, span: Span) -> Sequence[Page]:
        """None."""
        return ()


def verify(
    claim: str,
    *,
    passages: Sequence[Passage],
    engine: Engine,
    source: Source,
    context: Context | None = None,
    judge: Judge | None = None,
) -> Verified:
    """Judge a claim by passages.

    Args:
        claim: What is said to be so.
        passages: What was retrieved for it, best first; sentences cut by them are completed.
        engine: What reads the passages.
        source: The documents, in which every quote is looked up.
        context: For whom; the default tenant when not given.
        judge: Says how well each quote supports the claim, where the engine does not.
    """
    whole = tuple(in_whole_sentences(passage, source) for passage in passages)
    started = time.perf_counter()
    outcome = engine.run(VerifyTask(claim=claim, passages=whole), context or Context())
    timings = {**outcome.timings, "engine": _since(started)}
    started = time.perf_counter()
    located, dropped = citations(outcome.value.evidence, whole, source)
    timings["locate"] = _since(started)
    verdict, score = outcome.value.verdict, outcome.confidence
    if verdict is not Verdict.NOT_FOUND and not located:
        verdict, score = Verdict.NOT_FOUND, None
    for sentence in judged([Sentence(text=claim, citations=located)] if located else [], judge):
        located = sentence.citations
    return Verified(
        claim=claim,
        verdict=verdict,
        score=score,
        evidence=located,
        engine=outcome.engine,
        usage=outcome.usage,
        dropped_citations=dropped,
        prompt=outcome.prompt,
        revision=outcome.revision,
        notes=outcome.notes,
        decisions=outcome.decisions,
        passages=whole,
        timings=timings,
    )


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
