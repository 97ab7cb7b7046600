"""Metrics of retrieval, passages, answers and citations: pure functions of results and gold.

Each returns the value of one question; a mean over questions, with its interval, is taken by
``estimate``. What is undefined (the precision of no citations) is ``None``, never 0.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import punctuation
from typing import NamedTuple
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
BUDGET = 5_000
"""Characters that a reader or a model is given, where passages of different lengths compete."""


# --- Rankings -----------------------------------------------------------------------------


def precision_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of relevant ids among the first k places; places left empty count as misses.

    This and ``recall_at``: Manning, Raghavan, Schuetze, "Introduction to Information
    Retrieval", 2008, section 8.4. ``ranked`` holds each id once, here and below.
    """
    return sum(key in relevant for key in ranked[:k]) / k


def recall_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the relevant ids that are among the first k."""
    _needs(relevant)
    return sum(key in relevant for key in ranked[:k]) / len(relevant)


def reciprocal_rank_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """One over the rank of the first relevant id, 0 when none is among the first k.

    Its mean is MRR@k: Voorhees, "The TREC-8 Question Answering Track Report", 1999.
    """
    _needs(relevant)
    return next((1 / rank for rank, key in enumerate(ranked[:k], 1) if key in relevant), 0.0)


def average_precision(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Mean, over all relevant ids, of the precision at their ranks (0 for those not ranked).

    Its mean is MAP, without interpolation: Manning, Raghavan, Schuetze, 2008, section 8.4.
    """
    _needs(relevant)
    found, total = 0, 0.0
    for rank, key in enumerate(ranked, 1):
        if key in relevant:
            found += 1
            total += found / rank
    return total / len(relevant)


def ndcg_at(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Discounted cumulative gain of the first k, as a share of the best that is possible.

    Gain is the grade itself, the discount log2(rank + 1), as in trec_eval's ``ndcg_cut``:
    Jaervelin, Kekaelaeinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4),
    2002, with the discount that also reduces the second place.
    """
    ideal = _dcg(sorted(grades.values(), reverse=True)[:k])
    if ideal <= 0:
        raise ValueError("this question has no relevant id; leave it out of the mean")
    return _dcg([grades.get(key, 0.0) for key in ranked[:k]]) / ideal


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def _needs(relevant: Collection[str]) -> None:
    if not relevant:
        raise ValueError("this question has no relevant id; leave it out of the mean")


# --- Passages and citations as places in documents ----------------------------------------


class Place(NamedTuple):
    """A half-open interval of a document: characters, or pages when both sides count pages."""

    document_id: str
    start: int
    end: int


class CharacterScores(NamedTuple):
    """How well the characters read cover the characters that matter."""

    recall: float
    precision: float
    iou: float


def character_scores(
    passages: Sequence[Place], gold: Sequence[Place], budget: int = BUDGET
) -> CharacterScores:
    """Recall, precision and intersection over union of the passages' and the gold characters.

    Passages are read in rank order until ``budget`` characters are read; the last is cut
    there. A character read twice costs twice and counts once. Without a budget: Smith,
    Troynikov, "Evaluating Chunking Strategies for Retrieval", Chroma, 2024.
    """
    read = _union(_cut(passages, budget))
    wanted = _union(gold)
    if not wanted:
        raise ValueError("this question has no gold characters; leave it out of the mean")
    both = sum(_shared(a, b) for a in read for b in wanted)
    sizes = [sum(place.end - place.start for place in side) for side in (read, wanted)]
    return CharacterScores(
        recall=both / sizes[1],
        precision=both / sizes[0] if sizes[0] else 0.0,
        iou=both / (sizes[0] + sizes[1] - both),
    )


class CitationScores(NamedTuple):
    """``precision``: share of citations on a gold place; ``recall``: of gold places cited."""

    precision: float | None
    recall: float | None


def citation_scores(cited: Sequence[Place], gold: Sequence[Place]) -> CitationScores:
    """Count a citation as right when it shares at least one character (or page) with the gold.

    Citation precision and recall after Gao et al., "Enabling Large Language Models to Generate
    Text with Citations", EMNLP 2023, with overlap in place of entailment.
    """
    right = [any(_shared(place, other) for other in gold) for place in cited]
    reached = [any(_shared(place, other) for other in cited) for place in gold]
    return CitationScores(
        precision=sum(right) / len(right) if right else None,
        recall=sum(reached) / len(reached) if reached else None,
    )


def _cut(passages: Sequence[Place], budget: int) -> list[Place]:
    kept: list[Place] = []
    for passage in passages:
        end = min(passage.end, passage.start + budget)
        if end <= passage.start:
            break
        kept.append(passage._replace(end=end))
        budget -= end - passage.start
    return kept


def _union(places: Sequence[Place]) -> list[Place]:
    merged: list[Place] = []
    for place in sorted(place for place in places if place.start < place.end):
        last = merged[-1] if merged else None
        if last and last.document_id == place.document_id and place.start <= last.end:
            merged[-1] = last._replace(end=max(last.end, place.end))
        else:
            merged.append(place)
    return merged


def _shared(a: Place, b: Place) -> int:
    if a.document_id != b.document_id:
        return 0
    return max(0, min(a.end, b.end) - max(a.start, b.start))


# --- Answers ------------------------------------------------------------------------------


def normalize_answer(text: str) -> str:
    """Lower case, without punctuation, English articles and surplus white space.

    As SQuAD scores answers (Rajpurkar et al., EMNLP 2016), and without the punctuation that
    is not ASCII either.
    """
    kept = [c for c in text.lower() if c not in punctuation and category(c)[0] != "P"]
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", "".join(kept)).split())


def exact_match(prediction: str, golds: Sequence[str]) -> float:
    """1 when the prediction equals one of the gold answers after normalization, else 0.

    No gold answers: the question cannot be answered, and only the empty prediction is right.
    """
    return max(
        float(normalize_answer(prediction) == normalize_answer(gold)) for gold in golds or [""]
    )


def token_f1(prediction: str, golds: Sequence[str]) -> float:
    """Harmonic mean of word precision and recall against the gold answer that suits best.

    With no gold answers, or nothing left of either side, this is ``exact_match``, as in
    SQuAD 2.0 (Rajpurkar, Jia, Liang, ACL 2018).
    """
    return max(_f1(prediction, gold) for gold in golds or [""])


def _f1(prediction: str, gold: str) -> float:
    said, wanted = normalize_answer(prediction).split(), normalize_answer(gold).split()
    if not said or not wanted:
        return float(said == wanted)
    shared = (Counter(said) & Counter(wanted)).total()
    return 2 * shared / (len(said) + len(wanted))


class BinaryScores(NamedTuple):
    """Of the decision whether the documents contain an answer; "found" is the positive class."""

    precision: float | None
    recall: float | None
    f1: float | None
    accuracy: float


def found_scores(predicted: Sequence[bool], actual: Sequence[bool]) -> BinaryScores:
    """Compare ``found`` with whether there is an answer. For "not found", negate both.

    Manning, Raghavan, Schuetze, 2008, section 8.3.
    """
    counts = Counter(zip(predicted, actual, strict=True))
    if not counts:
        raise ValueError("no questions: nothing to score")
    right, said, wanted = counts[True, True], sum(predicted), sum(actual)
    return BinaryScores(
        precision=right / said if said else None,
        recall=right / wanted if wanted else None,
        f1=2 * right / (said + wanted) if said + wanted else None,
        accuracy=(right + counts[False, False]) / counts.total(),
    )


# --- Means with intervals -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over questions and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Estimate):
    """A mean difference, its interval, and the two-sided p of no difference."""

    p: float


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """Mean and percentile interval: Efron, Tibshirani, "An Introduction to the Bootstrap", 1993.

    Questions are the units that are drawn, with replacement, 10,000 times.
    """
    means = _resampled(np.asarray(values, np.float64), seed)
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(mean=float(np.mean(values)), low=float(low), high=float(high))


def compare(values: Sequence[float], others: Sequence[float], seed: int = 0) -> Difference:
    """Paired bootstrap of ``values - others``, question by question.

    p is twice the smaller share of resampled differences on one side of zero (never 0: one
    resample is added): Sakai, "Evaluating Evaluation Metrics based on the Bootstrap", SIGIR
    2006, in the percentile form of Efron and Tibshirani, chapter 13.
    """
    differences = np.asarray(values, np.float64) - np.asarray(others, np.float64)
    means = _resampled(differences, seed)
    low, high = np.percentile(means, [2.5, 97.5])
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (RESAMPLES + 1))
    return Difference(mean=float(differences.mean()), low=float(low), high=float(high), p=p)


def _resampled(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Means of samples drawn with replacement, shape (RESAMPLES,)."""
    if not len(values):
        raise ValueError("no values: nothing to resample")
    random = np.random.default_rng(seed)
    rows = max(1, 1_000_000 // len(values))
    means = [
        values[random.integers(len(values), size=(min(rows, RESAMPLES - start), len(values)))].mean(
            axis=1
        )
        for start in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(means)
