from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import evaluate
from rag.evaluate import Place

RANKED = ["d3", "d2", "d9", "d1", "d5"]


def test_precision_recall_and_reciprocal_rank_by_hand() -> None:
    relevant = {"d2", "d1", "d7"}
    assert evaluate.precision_at(RANKED, relevant, 4) == 2 / 4
    assert evaluate.precision_at(RANKED, relevant, 10) == 2 / 10
    assert evaluate.recall_at(RANKED, relevant, 2) == 1 / 3
    assert evaluate.recall_at(RANKED, relevant, 10) == 2 / 3
    assert evaluate.reciprocal_rank_at(RANKED, relevant, 10) == 1 / 2
    assert evaluate.reciprocal_rank_at(RANKED, relevant, 1) == 0
    assert evaluate.average_precision(RANKED, relevant) == pytest.approx((1 / 2 + 2 / 4) / 3)


def test_ndcg_by_hand() -> None:
    """Grades 3, 2, 3, 0, 1, 2 in ranked order, and 3, 2 not ranked: a textbook example."""
    ranked = ["a", "b", "c", "d", "e", "f"]
    grades = {"a": 3, "b": 2, "c": 3, "e": 1, "f": 2, "g": 3, "h": 2}
    dcg = 3 + 2 / math.log2(3) + 3 / 2 + 1 / math.log2(6) + 2 / math.log2(7)
    ideal = 3 + 3 / math.log2(3) + 3 / 2 + 2 / math.log2(5) + 2 / math.log2(6) + 2 / math.log2(7)
    assert dcg == pytest.approx(6.861, abs=1e-3)
    assert ideal == pytest.approx(8.740, abs=1e-3)
    assert evaluate.ndcg_at(ranked, grades, 6) == pytest.approx(0.785, abs=1e-3)


def test_ndcg_knows_best_worst_and_the_cut() -> None:
    grades = {"d2": 1.0, "d1": 1.0, "d8": 0.0}
    assert evaluate.ndcg_at(["d1", "d2"], grades, 10) == 1
    assert evaluate.ndcg_at(["d8", "d9"], grades, 10) == 0
    assert evaluate.ndcg_at(["d8", "d1"], grades, 1) == 0
    assert evaluate.ndcg_at(["d1"], grades, 1) == 1


def test_a_question_without_relevant_ids_has_no_score() -> None:
    with pytest.raises(ValueError, match="no relevant id"):
        evaluate.ndcg_at(["d1"], {"d1": 0.0}, 10)
    with pytest.raises(ValueError, match="no relevant id"):
        evaluate.recall_at(["d1"], set(), 10)
    with pytest.raises(ValueError, match="no relevant id"):
        evaluate.average_precision(["d1"], set())
    with pytest.raises(ValueError, match="no relevant id"):
        evaluate.reciprocal_rank_at(["d1"], set(), 10)


def test_character_scores_by_hand() -> None:
    gold = [Place("a", 10, 30), Place("b", 0, 10)]
    passages = [Place("a", 0, 20), Place("c", 0, 30), Place("b", 5, 25)]
    everything = evaluate.character_scores(passages, gold)
    assert everything == (15 / 30, 15 / 70, 15 / 85)
    cut = evaluate.character_scores(passages, gold, budget=52)
    assert cut == (12 / 30, 12 / 52, 12 / 70)


def test_a_character_read_twice_costs_twice_and_counts_once() -> None:
    gold = [Place("a", 0, 10), Place("a", 5, 20)]
    passages = [Place("a", 0, 10), Place("a", 0, 10), Place("a", 10, 20)]
    assert evaluate.character_scores(passages, gold, budget=25) == (15 / 20, 1.0, 15 / 20)


def test_no_passages_recall_nothing() -> None:
    assert evaluate.character_scores([], [Place("a", 0, 5)]) == (0, 0, 0)
    with pytest.raises(ValueError, match="no gold characters"):
        evaluate.character_scores([Place("a", 0, 5)], [])


places = st.builds(
    lambda document, start, length: Place(document, start, start + length),
    st.sampled_from("ab"),
    st.integers(0, 40),
    st.integers(1, 15),
)


@given(passages=st.lists(places, max_size=6), gold=st.lists(places, min_size=1, max_size=4))
def test_character_scores_agree_with_sets_of_characters(
    passages: list[Place], gold: list[Place]
) -> None:
    budget = 25
    stream = [(p.document_id, i) for p in passages for i in range(p.start, p.end)][:budget]
    read = set(stream)
    wanted = {(p.document_id, i) for p in gold for i in range(p.start, p.end)}
    scores = evaluate.character_scores(passages, gold, budget)
    both = len(read & wanted)
    assert scores.recall == both / len(wanted)
    assert scores.precision == (both / len(read) if read else 0)
    assert scores.iou == both / len(read | wanted)


def test_citations_are_right_when_they_overlap_the_gold() -> None:
    gold = [Place("a", 10, 30), Place("a", 50, 60)]
    cited = [Place("a", 29, 40), Place("a", 30, 50), Place("b", 10, 30)]
    assert evaluate.citation_scores(cited, gold) == (1 / 3, 1 / 2)
    assert evaluate.citation_scores([Place("report", 3, 4)], [Place("report", 3, 4)]) == (1, 1)
    assert evaluate.citation_scores([], gold) == (None, 0)
    assert evaluate.citation_scores(cited, []) == (0, None)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Norman conquest.", "norman conquest"),
        ("a theatre, an answer", "theatre answer"),
        ("$1,234.5 \u2014 «yes»", "12345 yes"),
        ("Anthem", "anthem"),
        ("the", ""),
    ],
)
def test_answers_are_normalized_as_in_squad(text: str, normalized: str) -> None:
    assert evaluate.normalize_answer(text) == normalized


def test_exact_match_and_f1_take_the_gold_that_suits_best() -> None:
    golds = ["10th and 11th centuries", "in the 10th century"]
    assert evaluate.exact_match("The 10th and 11th centuries!", golds) == 1
    assert evaluate.exact_match("10th", golds) == 0
    # 4 words said, 3 shared with 4 wanted; the other gold shares 1 of 3.
    assert evaluate.token_f1("the late 10th and 11th", golds) == pytest.approx(2 * 3 / 8)
    assert evaluate.token_f1("very very good", ["very good"]) == pytest.approx(2 * 2 / 5)


def test_an_unanswerable_question_wants_no_answer() -> None:
    assert (evaluate.exact_match("", []), evaluate.token_f1("", [])) == (1, 1)
    assert (evaluate.exact_match("Paris", []), evaluate.token_f1("Paris", [])) == (0, 0)
    assert (evaluate.exact_match("", ["Paris"]), evaluate.token_f1("", ["Paris"])) == (0, 0)


def test_found_scores_by_hand() -> None:
    predicted = [True, True, True, False, False, False]
    actual = [True, True, False, True, False, False]
    scores = evaluate.found_scores(predicted, actual)
    assert scores == (2 / 3, 2 / 3, 2 / 3, 4 / 6)
    negated = evaluate.found_scores([not p for p in predicted], [not a for a in actual])
    assert negated == (2 / 3, 2 / 3, 2 / 3, 4 / 6)
    assert evaluate.found_scores([False], [False]) == (None, None, None, 1)
    with pytest.raises(ValueError, match="no questions"):
        evaluate.found_scores([], [])


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(0.6, 0.2, 400)
    found = evaluate.estimate(values.tolist())
    half = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.002)
    assert found.high == pytest.approx(values.mean() + half, abs=0.002)
    assert evaluate.estimate(values.tolist()) == found


def test_comparison_is_paired() -> None:
    random = np.random.default_rng(1)
    hard = random.uniform(0, 1, 300)
    better = hard + random.normal(0.02, 0.05, 300)
    clear = evaluate.compare(better.tolist(), hard.tolist())
    assert clear.low > 0
    assert clear.p < 0.001
    blurred = evaluate.compare(random.permutation(better).tolist(), hard.tolist())
    assert blurred.low < 0 < blurred.high
    assert blurred.p > 0.05
    assert clear.mean == pytest.approx(blurred.mean)


def test_p_is_that_of_the_normal_approximation() -> None:
    differences = np.random.default_rng(2).normal(0, 1, 500)
    differences += 2 * differences.std() / 500**0.5 - differences.mean()  # two standard errors
    found = evaluate.compare(differences.tolist(), [0.0] * 500)
    assert found.p == pytest.approx(0.0455, abs=0.01)


def test_equal_systems_do_not_differ() -> None:
    same = evaluate.compare([0.5, 0.1, 0.9], [0.5, 0.1, 0.9])
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    with pytest.raises(ValueError, match="no values"):
        evaluate.estimate([])
