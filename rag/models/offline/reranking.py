"""Passages ranked by what the reader makes of them: a `rag.rerank.Rerank`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rag.models.offline.english import is_english
from rag.models.offline.reader import Reader, Reading
from rag.models.offline.scoring import Features, Weights, weights_of
from rag.types import Passage

USE = "rerank"
RERANK_FEATURES = (
    "relevant",  # whether the passage answers, as judged from all of it
    "read",  # how much likelier its best span is an answer than none
    "rank",  # minus the logarithm of its rank before
)
_CERTAIN = 20.0


class Reranking:
    """Reads every passage. Weights are those of a logistic regression."""

    def __init__(self, reader: Reader, weights: Weights) -> None:
        self._reader = reader
        self._weights = weights

    def scores(self, query: str, passages: Sequence[Passage]) -> list[float]:
        """The probability of each passage that it answers.

        A query in another language than the reader's leaves the order as it is.
        """
        rows = np.array([(0.0, 0.0, -math.log1p(place)) for place in range(len(passages))])
        if passages and is_english(query):
            rows = features(self._reader.read(query, [passage.text for passage in passages]))
        logits = self._weights.logit(rows.reshape(-1, len(RERANK_FEATURES)))
        return [round(1 / (1 + math.exp(-logit)), 6) for logit in logits.tolist()]


def features(readings: Sequence[Reading]) -> Features:
    """One row per passage, best first, shape (n, len(RERANK_FEATURES))."""
    rows = [
        (one.relevant, max(-_CERTAIN, one.span), -math.log1p(place))
        for place, one in enumerate(readings)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, len(RERANK_FEATURES))


def open_reranking(reader: Reader | None) -> Reranking | None:
    """What ranks by a reader; ``None`` for one that was not found to rank better."""
    fitted = reader.card.fitted.get(USE) if reader is not None else None
    if reader is None or fitted is None:
        return None
    return Reranking(reader, weights_of(fitted, RERANK_FEATURES))
