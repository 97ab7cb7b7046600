from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fuse import DEPTH, Context, fuse_convex, fuse_regularized, search_hybrid
from rag.regularize import FEEDBACK, Contents, regularized, smoothed, spread, with_feedback
from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors import Hits, nothing


def unit(rows: int, seed: int = 0) -> FloatMatrix:
    vectors = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    normal: FloatMatrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normal


def pairs_of(one: float, other: float) -> FloatMatrix:
    """Two passages as alike as ``one`` says and two as ``other`` does; else not at all."""
    return np.array(
        [[1, one, 0, 0], [one, 1, 0, 0], [0, 0, 1, other], [0, 0, other, 1]], np.float32
    )


def test_one_whose_neighbours_are_poor_falls_behind_one_whose_neighbours_are_good() -> None:
    scores = np.array([2.0, -1.0, 1.8, 1.6], np.float32)
    drawn = smoothed(pairs_of(1, 1), scores, 0.5)
    np.testing.assert_allclose(drawn, [0.5, 0.5, 1.7, 1.7], atol=1e-3)
    np.testing.assert_allclose(smoothed(pairs_of(1, 1), scores, share=0), scores)


def test_feedback_by_hand() -> None:
    scores = np.array([5.0, -40.0, -40.0], np.float32)  # the first is all that counts
    cosines = np.array([0.4, 0.3, 0.2], np.float32)
    drawn = with_feedback(np.eye(3, dtype=np.float32), cosines, scores)
    np.testing.assert_allclose(
        drawn, [0.4 * (1 - FEEDBACK) + FEEDBACK, 0.3 * (1 - FEEDBACK), 0.2 * (1 - FEEDBACK)]
    )


def test_passages_of_one_document_do_not_draw_one_another() -> None:
    vectors = unit(6)
    alike, scores = vectors @ vectors.T, vectors @ vectors[0]
    apart = np.where(np.eye(6, dtype=bool), alike, -2).astype(np.float32)
    np.testing.assert_allclose(smoothed(apart, scores), scores)


def test_likeness_counts_where_no_document_is_meant_and_the_model_is_trusted() -> None:
    vectors, ids = unit(30), np.arange(30)
    cosines = vectors @ vectors[0]

    def fused(documents: Ids, trust: float = 1.0) -> FloatVector:
        contents = Contents(ids, vectors, documents)
        return regularized(ids, cosines, contents, lambda scores: scores, trust)

    np.testing.assert_allclose(fused(ids // 10), cosines, atol=1e-6)
    np.testing.assert_allclose(fused(ids, trust=0), cosines, atol=1e-6)
    assert np.abs(fused(ids) - cosines).max() > 0.01
    assert spread(ids // 10, cosines) == 0
    assert spread(ids, cosines) == 1


@given(
    scores=st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=30),
    share=st.floats(0, 1, width=32),
)
def test_smoothing_stays_between_the_scores(scores: list[float], share: float) -> None:
    vectors = unit(len(scores))
    alike = vectors @ vectors.T
    drawn = smoothed(alike, np.array(scores, np.float32), share)
    assert drawn.min() >= min(scores) - 1e-4
    assert drawn.max() <= max(scores) + 1e-4


@given(seed=st.integers(0, 1_000), count=st.integers(0, 40), words=st.integers(0, 40))
def test_regularizing_keeps_every_candidate_once_best_first(
    seed: int, count: int, words: int
) -> None:
    random = np.random.default_rng(seed)

    def hits(number: int) -> Hits:
        scores = -np.sort(-random.random(number).astype(np.float32))
        return Hits(random.permutation(60)[:number].astype(np.int64), scores)

    def read(ids: Ids) -> Contents:
        held = ids[ids % 7 > 0]
        return Contents(held, unit(60)[held], held // 5)

    dense, lexical = hits(count), hits(words)
    ids = np.union1d(dense.ids, lexical.ids)
    contents = read(ids) if len(ids) > 2 else None
    fused = fuse_regularized(dense, lexical, nothing(), contents)
    assert sorted(fused.ids.tolist()) == np.union1d(dense.ids, lexical.ids).tolist()
    assert np.all(np.diff(fused.scores) <= 0)
    assert np.isfinite(fused.scores).all()
    if len(fused.ids) < 3:
        assert fused.ids.tolist() == fuse_convex(dense, lexical).ids.tolist()


def test_only_candidates_are_read() -> None:
    vectors, asked = unit(5 * DEPTH), []

    def dense(k: int, allowed: Ids | None) -> Hits:
        ids = np.arange(len(vectors)) if allowed is None else allowed
        scores = vectors[ids] @ vectors[7]
        order = np.argsort(-scores)[:k]
        return Hits(ids[order], scores[order])

    def lexical(k: int, allowed: Ids | None) -> Hits:
        return Hits(np.empty(0, np.int64), np.empty(0, np.float32))

    def read(ids: Ids) -> tuple[Ids, FloatMatrix]:
        asked.append(len(ids))
        return ids, vectors[ids]

    context = Context(documents=lambda ids: ids, opening=lexical, read=read)
    found = search_hybrid(dense, lexical, context=context)
    assert asked == [DEPTH]
    assert found.fused.ids[0] == 7
    assert found.dense.scores[0] == pytest.approx(1)  # what is shown is not what was drawn
