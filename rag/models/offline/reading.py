"""What a reader makes of the sentences that may answer a question.

Spans of all passages compete with one another and each with there being no answer; the fitted
models of `rag.models.offline.scoring` weigh that beside what words and likeness say. All of it
counts as much as the best span is believed: where a reader finds none, as in tables and for
questions that no few words answer, what it says of the others is worth little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.models.offline.candidates import Candidate, candidates
from rag.models.offline.folder import Card
from rag.models.offline.reader import Reader
from rag.models.offline.scoring import (
    READ_FEATURES,
    SENTENCE_FEATURES,
    Features,
    Weights,
    weights_of,
)
from rag.types import Passage, Span

USE = "sentence"
# Sentences that the reader finds likeliest are judged also where words speak against them.
MOST_READ = 4
# Logits beyond are as good as certain.
_CERTAIN = 20.0
# Spans of other passages say the same when they are at most so much less likely.
_CLOSE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What is read in a sentence: its best ``answer``, at a span of the passage.

    ``span`` is how much likelier that is than no answer, ``relevant`` whether the passage answers
    at all; both are logits. ``agreed`` counts other passages that say the same.
    """

    answer: Span
    span: float
    relevant: float
    agreed: int


class Readings:
    """All that was read for a question, by sentence."""

    def __init__(self, reader: Reader, question: str, passages: Sequence[Passage]) -> None:
        """Read all sentences of the passages, each passage as a whole."""
        found = candidates(passages)
        mine: list[list[Candidate]] = [[] for _ in passages]
        for one in found:
            mine[one.passage].append(one)
        read = reader.read_each(
            question,
            [passage.text for passage in passages],
            [[Span(start=one.start, end=one.end) for one in of] for of in mine],
        )
        pairs = [
            (one, reading)
            for of, readings in zip(mine, read, strict=True)
            for one, reading in zip(of, readings, strict=True)
        ]
        texts: dict[str, dict[int, float]] = {}
        for one, reading in pairs:
            said = _folded(passages[one.passage].text[reading.start : reading.end])
            best = texts.setdefault(said, {})
            best[one.passage] = max(best.get(one.passage, -np.inf), reading.span)
        self._read: dict[tuple[int, int], Read] = {}
        for one, reading in pairs:
            said = _folded(passages[one.passage].text[reading.start : reading.end])
            others = [v for place, v in texts[said].items() if place != one.passage]
            self._read[one.passage, one.start] = Read(
                answer=Span(start=reading.start, end=reading.end),
                span=_bounded(reading.span),
                relevant=_bounded(reading.relevant),
                agreed=sum(bool(said) and other >= reading.span - _CLOSE for other in others),
            )
        self._best = max((one.span for one in self._read.values()), default=0.0)
        self._believed = 1 / (1 + math.exp(-self._best))

    def of(self, candidate: Candidate) -> Read:
        """What was read in a sentence."""
        return self._read[candidate.passage, candidate.start]

    def likely(self, candidate: Candidate) -> float:
        """How likely a sentence holds an answer: higher is likelier."""
        one = self.of(candidate)
        return one.span + one.relevant

    def features(self, found: Sequence[Candidate]) -> Features:
        """One row per sentence, shape (n, len(READ_FEATURES))."""
        rows = [
            (one.span, one.span - self._best, one.relevant, float(np.log1p(one.agreed)))
            for one in map(self.of, found)
        ]
        return self._believed * np.array(rows, dtype=np.float64).reshape(-1, len(READ_FEATURES))


def fitted_ranking(card: Card) -> Weights | None:
    """The model that was fitted for a reader to rank sentences, if one was."""
    stored = card.fitted.get(USE)
    return None if stored is None else weights_of(stored, SENTENCE_FEATURES + READ_FEATURES)


def _bounded(logit: float) -> float:
    return max(-_CERTAIN, min(_CERTAIN, logit))


def _folded(text: str) -> str:
    return " ".join(text.casefold().strip(" .,;:\"'()").split()).removeprefix("the ")
