"""Passages chosen to say different things."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.diversify import diversified
from rag.types import Passage


def passages(scores: list[float]) -> list[Passage]:
    return [
        Passage(
            document_id=f"doc_{place}",
            document_title="",
            start=0,
            end=1,
            text="x",
            score=score,
            scores={"fused": score},
        )
        for place, score in enumerate(sorted(scores, reverse=True))
    ]


@given(
    st.lists(st.floats(-3, 3), max_size=9),
    st.floats(0, 1),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
)
def test_each_is_the_best_that_is_left(
    scores: list[float], diversity: float, k: int, seed: int
) -> None:
    given_ones = passages(scores)
    vectors = np.random.default_rng(seed).normal(size=(len(scores), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = vectors @ vectors.T
    found = diversified(given_ones, alike, diversity, k)
    order = [int(one.document_id.removeprefix("doc_")) for one in found]
    assert len(order) == len(set(order)) == min(k, len(scores))
    low, high = min(scores, default=0), max(scores, default=0)
    for rank, passage in enumerate(found):
        worth = {
            place: (1 - diversity) * ((given_ones[place].score - low) / (high - low or 1))
            - diversity * max([0.0, *(alike[place, other] for other in order[:rank])])
            for place in set(range(len(scores))) - set(order[:rank])
        }
        assert worth[order[rank]] == pytest.approx(max(worth.values()), abs=1e-6)
        assert passage.score == passage.scores["mmr"] == pytest.approx(worth[order[rank]], abs=1e-6)
        assert passage.scores["fused"] == given_ones[order[rank]].score
    told = [one.score for one in found]
    assert told == sorted(told, reverse=True)


def test_what_was_said_before_comes_later() -> None:
    alike = np.array([[1, 0.99, 0.1], [0.99, 1, 0.1], [0.1, 0.1, 1]])
    given_ones = passages([0.9, 0.88, 0.5])
    for diversity, expected in ((0.0, "012"), (0.2, "012"), (0.6, "021"), (1.0, "021")):
        found = diversified(given_ones, alike, diversity, 3)
        assert "".join(one.document_id[-1] for one in found) == expected
