from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fuse import (
    DENSE_WEIGHT,
    DEPTH,
    SPELLED_WEIGHT,
    Context,
    Search,
    dense_weight,
    fuse_convex,
    fuse_rrf,
    likeness_trust,
    search_hybrid,
)
from rag.types import Ids
from rag.vectors import Hits
from tests.fakes import HashingEmbedder

scored = st.dictionaries(st.integers(0, 40), st.floats(-10, 100, width=32), max_size=20)


def hits(scores: Mapping[int, float]) -> Hits:
    ranked = sorted(scores, key=lambda key: (-scores[key], key))
    return Hits(np.array(ranked, np.int64), np.array([scores[key] for key in ranked], np.float32))


def searching(scores: Mapping[int, float], asked: list[Ids | None]) -> Search:
    """An index that holds exactly these scores, and notes what it was asked for."""

    def search(k: int, allowed: Ids | None) -> Hits:
        asked.append(allowed)
        among = scores if allowed is None else set(allowed.tolist())
        found = hits({key: score for key, score in scores.items() if key in among})
        return Hits(found.ids[:k], found.scores[:k])

    return search


def test_convex_combination_by_hand() -> None:
    dense = hits({1: 0.9, 2: 0.6, 3: 0.3})  # standard scores 1.2247, 0, -1.2247
    lexical = hits({2: 12.0, 3: 6.0})  # with 0 for id 1: -1.2247, 1.2247, 0
    fused = fuse_convex(dense, lexical, weight=0.75)
    assert fused.ids.tolist() == [1, 2, 3]
    root = 1.5**0.5
    np.testing.assert_allclose(
        fused.scores, [0.75 * root - 0.25 * root, 0.25 * root, -0.75 * root], atol=1e-6
    )


def test_reciprocal_rank_fusion_by_hand() -> None:
    fused = fuse_rrf(hits({1: 0.9, 2: 0.8}), hits({2: 7.0, 5: 3.0}), k=60)
    assert fused.ids.tolist() == [2, 1, 5]
    np.testing.assert_allclose(fused.scores, [1 / 62 + 1 / 61, 1 / 61, 1 / 62], rtol=1e-6)


def test_a_candidate_without_dense_score_gets_the_lowest() -> None:
    fused = fuse_convex(hits({1: 0.9, 2: 0.1}), hits({3: 5.0, 2: 5.0, 1: 5.0}))
    assert fused.ids.tolist() == [1, 2, 3]
    assert fused.scores[1] == fused.scores[2]


@pytest.mark.parametrize("fuse", [fuse_convex, fuse_rrf])
def test_one_empty_ranking_leaves_the_order_of_the_other(fuse: type) -> None:
    some, none = hits({4: 0.9, 2: 0.5, 7: 0.2}), hits({})
    assert fuse(some, none).ids.tolist() == [4, 2, 7]
    assert fuse(none, some).ids.tolist() == [4, 2, 7]
    assert fuse(none, none).ids.tolist() == []


@given(dense=scored, lexical=scored)
def test_fusing_keeps_every_candidate_once_best_first(
    dense: dict[int, float], lexical: dict[int, float]
) -> None:
    for fused in (fuse_convex(hits(dense), hits(lexical)), fuse_rrf(hits(dense), hits(lexical))):
        assert sorted(fused.ids.tolist()) == sorted(dense | lexical)
        assert np.all(np.diff(fused.scores) <= 0)
        assert np.isfinite(fused.scores).all()
        assert fused.scores.dtype.name == "float32"


@given(
    dense=st.dictionaries(st.integers(0, 30), st.integers(-8, 8), min_size=1),
    lexical=st.dictionaries(st.integers(0, 30), st.integers(1, 8), min_size=1),
)
def test_the_scale_of_a_model_does_not_matter(
    dense: dict[int, int], lexical: dict[int, int]
) -> None:
    """Cosines pressed into [0.7, 1], as some models give them, fuse like any others."""
    plain = fuse_convex(hits(dense), hits(lexical))
    pressed = fuse_convex(
        hits({key: 0.75 + score / 64 for key, score in dense.items()}),
        hits({key: 4 * score for key, score in lexical.items()}),
    )
    by_id, by_id_pressed = np.argsort(plain.ids), np.argsort(pressed.ids)
    np.testing.assert_allclose(plain.scores[by_id], pressed.scores[by_id_pressed], atol=1e-3)


def test_hybrid_search_scores_every_candidate_in_both_indexes() -> None:
    count = 3 * DEPTH
    dense = {key: 1 - key / count for key in range(count)}
    lexical = {key: float(key) for key in range(count - 2 * DEPTH, count)}
    asked: list[Ids | None] = []
    found = search_hybrid(searching(dense, asked), searching(lexical, asked))
    candidates = [*range(DEPTH), *range(count - DEPTH, count)]
    assert sorted(found.fused.ids.tolist()) == candidates
    np.testing.assert_allclose(
        found.dense.scores, [dense[key] for key in found.dense.ids.tolist()], rtol=1e-6
    )
    assert sorted(found.dense.ids.tolist()) == candidates
    assert sorted(found.lexical.ids.tolist()) == candidates[DEPTH:]


def test_hybrid_search_stays_within_the_filter() -> None:
    asked: list[Ids | None] = []
    dense = {key: key / 1_000 for key in range(1_000)}
    allowed = np.arange(0, 1_000, 3)
    found = search_hybrid(searching(dense, asked), searching({999: 3.0, 500: 9.0}, asked), allowed)
    assert found.fused.ids[0] == 999
    assert all(ids is not None and np.isin(ids, allowed).all() for ids in asked)
    assert np.isin(found.fused.ids, allowed).all()


def test_hybrid_search_of_nothing_is_empty() -> None:
    asked: list[Ids | None] = []
    found = search_hybrid(searching({}, asked), searching({}, asked))
    assert [len(part.ids) for part in found] == [0, 0, 0, 0]
    assert len(asked) == 2


def test_what_a_document_opens_with_counts_for_all_of_it() -> None:
    """Two contracts say the same; the first chunks, 0 and 10, say between whom."""
    asked: list[Ids | None] = []
    alike = {3: 0.9, 13: 0.9, 4: 0.1, 14: 0.1}
    words = {0: 9.0, 10: 2.0, 3: 5.0, 13: 5.0}

    lexical = searching(words, asked)
    context = Context(
        documents=lambda ids: ids // 10 * 10,
        opening=lexical,
        read=lambda ids: (ids, np.eye(20, dtype=np.float32)[ids]),
    )
    found = search_hybrid(searching(alike, asked), lexical, context=context)
    ranked = found.fused.ids.tolist()
    assert ranked.index(3) < ranked.index(13)
    assert ranked.index(4) < ranked.index(14)
    scores = dict(zip(found.opening.ids.tolist(), found.opening.scores.tolist(), strict=True))
    assert scores == {0: 9.0, 3: 9.0, 4: 9.0, 10: 2.0, 13: 2.0, 14: 2.0}
    assert dict(zip(found.lexical.ids.tolist(), found.lexical.scores, strict=True)) == words


def test_openings_that_were_not_found_are_looked_up_but_no_candidates() -> None:
    asked: list[Ids | None] = []
    words = {1_000: 8.0} | {key: 5.0 - key / 1_000 for key in range(1, DEPTH + 1)}

    def lexical(k: int, allowed: Ids | None) -> Hits:
        found = searching(words, asked)(k + 1, allowed)
        kept = found.ids < 1_000 if allowed is None else slice(None)
        return Hits(found.ids[kept], found.scores[kept])

    dense = searching({1: 0.5, 101: 0.4}, asked)
    context = Context(documents=lambda ids: np.full_like(ids, 1_000), opening=lexical, read=None)
    found = search_hybrid(dense, lexical, context=context)
    assert 1_000 not in found.fused.ids
    assert 1_000 not in found.lexical.ids
    assert set(found.opening.scores.tolist()) == {8.0}


def test_what_is_alone_in_its_document_keeps_its_place() -> None:
    """Openings are looked up without pairs of words; that must not count against them."""
    asked: list[Ids | None] = []
    dense = searching({1: 0.5, 2: 0.5, 3: 0.2, 4: 0.1}, asked)
    lexical = searching({1: 9.5, 2: 9.0, 3: 3.0, 4: 2.0}, asked)
    without_pairs = searching({1: 8.0, 2: 9.0, 3: 3.0, 4: 2.0}, asked)
    context = Context(documents=lambda ids: ids, opening=without_pairs, read=None)
    found = search_hybrid(dense, lexical, context=context)
    assert found.fused.ids.tolist() == search_hybrid(dense, lexical).fused.ids.tolist()


class Spelling(HashingEmbedder):
    """Has a token for each ASCII word, and spells all others."""

    tokenizer = "{}"

    def token_offsets(self, text: str) -> Ids:
        spans = [match.span() for match in re.finditer(r"[a-z]+|\S", text)]
        return np.array(spans, dtype=np.int64).reshape(-1, 2)


@pytest.mark.parametrize(
    ("query", "weight"),
    [
        ("how often is the pump serviced?", DENSE_WEIGHT),
        ("πόσο συχνά συντηρείται η αντλία;", SPELLED_WEIGHT),
        ("7.2", SPELLED_WEIGHT),
        ("a" * 60, SPELLED_WEIGHT),  # a stretch without spaces that no token is known for
        ("?", DENSE_WEIGHT),
        ("", DENSE_WEIGHT),
    ],
)
def test_words_count_more_where_the_model_spells_them(query: str, weight: float) -> None:
    assert dense_weight(query, Spelling()) == pytest.approx(weight)
    assert dense_weight(query, HashingEmbedder()) == DENSE_WEIGHT  # its tokens are an estimate


def test_likeness_is_trusted_in_languages_that_the_model_knows() -> None:
    assert likeness_trust("how often is the pump serviced?", Spelling()) == 1
    assert likeness_trust("πόσο συχνά συντηρείται η αντλία;", Spelling()) == 0
    assert likeness_trust("πόσο συχνά", HashingEmbedder()) == 1  # its tokens are an estimate


def test_the_weight_decides_between_two_rankings() -> None:
    dense, lexical = searching({1: 0.9, 2: 0.5, 3: 0.4}, []), searching({2: 9.0, 1: 1.0}, [])
    assert search_hybrid(dense, lexical, weight=1.0).fused.ids[0] == 1
    assert search_hybrid(dense, lexical, weight=0.0).fused.ids[0] == 2
