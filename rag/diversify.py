"""Passages that say different things: maximal marginal relevance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rag.types import FloatMatrix, Passage

STAGE = "mmr"
CANDIDATES = 20
"""Passages that are chosen from, unless twice as many as are wanted are more."""


def diversified(
    passages: Sequence[Passage], alike: FloatMatrix, diversity: float, k: int
) -> list[Passage]:
    """The k passages that are relevant and unlike those before them, in the order of choice.

    Each is the one with the highest ``(1 - diversity) * relevance - diversity * likeness``.
    Relevance is its score, made 1 for the best candidate and 0 for the worst; likeness is its
    cosine with the most similar of those chosen before. Carbonell and Goldstein, "The Use of MMR,
    Diversity-Based Reranking for Reordering Documents and Producing Summaries", SIGIR 1998.

    Args:
        passages: Candidates, best first.
        alike: Their cosines, shape (n, n); less than 0 is as unlike as 0.
        diversity: From 0, which keeps the order, to 1.
        k: How many, if there are so many.
    """
    if not passages:
        return []
    scores = np.array([passage.score for passage in passages], np.float64)
    relevance = (scores - scores.min()) / max(float(np.ptp(scores)), np.finfo(np.float64).tiny)
    likeness = np.zeros(len(passages))
    left = np.ones(len(passages), bool)
    chosen = []
    for _ in range(min(k, len(passages))):
        worth = (1 - diversity) * relevance - diversity * likeness
        place = int(np.argmax(np.where(left, worth, -np.inf)))
        left[place] = False
        passage, score = passages[place], float(worth[place])
        chosen.append(replace(passage, score=score, scores={**passage.scores, STAGE: score}))
        likeness = np.maximum(likeness, alike[place])
    return chosen
