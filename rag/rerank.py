"""Passages once more, by reading each with the query: better than vectors and words, and dearer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from rag.types import Passage

STAGE = "rerank"
RERANKED = 20
"""Passages that are read, the first ones of the ranking before, unless more are asked for."""


class Rerank(Protocol):
    """Scores passages for a query. Thread-safe."""

    def scores(self, query: str, passages: Sequence[Passage]) -> Sequence[float]:
        """A score of each passage, which come best first; higher is better."""
        ...


def reranked(query: str, passages: Sequence[Passage], rerank: Rerank) -> list[Passage]:
    """The passages in their new order; of equal ones the first stays before the other."""
    scores = rerank.scores(query, passages)
    found = [
        replace(passage, score=score, scores={**passage.scores, STAGE: score})
        for passage, score in zip(passages, scores, strict=True)
    ]
    return sorted(found, key=lambda passage: -passage.score)
