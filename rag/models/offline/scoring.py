"""How well sentences answer a question: features, and the two fitted models over them.

Both models are logistic regressions over a few features. One ranks sentences; the other,
over what is known of the best sentence, says how likely it is that the passages answer the
question at all. Their coefficients lie in ``weights.json``; the script
``tests/benchmarks/answers.py --fit`` makes that file and says on what data.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.models.offline.candidates import Candidate
from rag.models.offline.words import Asked, asked, gives, names, telling, words
from rag.types import FloatVector, Passage

Features: TypeAlias = NDArray[np.float64]

SENTENCE_FEATURES = (
    "similarity",  # cosine of sentence and question
    "coverage",  # share of the question's telling words in the sentence, by rarity
    "context",  # what heading and sentence before add to that
    "passage",  # what the whole passage adds to that
    "names",  # share of the question's names and numbers in sentence and context
    "pairs",  # share of the question's neighbouring words that are neighbours here
    "type",  # 1: has the kind of expression asked for; -1: has not; 0: unknown
    "news",  # share of the sentence's words that are not the question's
    "length",  # logarithm of the number of words
    "retrieved",  # cosine of passage and question
    "rank",  # reciprocal rank of the passage
)
ANSWER_FEATURES = (
    "score",  # of the best sentence, by the first model
    "margin",  # over the best sentence of another passage
    "similarity",
    "coverage",
    "context",
    "passage",
    "missing",  # whether the question's rarest word is nowhere in the passages
    "names",
    "names_passage",  # share of the question's names and numbers in the passage
    "type",
    "retrieved",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question taken apart. ``rarity`` weighs each telling word; all sum to 1."""

    text: str
    kind: Asked
    rarity: Mapping[str, float]
    names: frozenset[str]
    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Coefficients over raw features, and the constant."""

    coefficients: Features
    constant: float

    def logit(self, features: Features) -> Features:
        """Log odds, shape (n,), for features of shape (n, k)."""
        return features @ self.coefficients + self.constant


def load_weights() -> tuple[Weights, Weights]:
    """The fitted models: of sentences, and of answers."""
    stored = json.loads(files(__package__).joinpath("weights.json").read_text("utf-8"))
    return (
        _weights(stored["sentence"], SENTENCE_FEATURES),
        _weights(stored["answer"], ANSWER_FEATURES),
    )


def _weights(stored: Mapping[str, float], names: Sequence[str]) -> Weights:
    return Weights(
        coefficients=np.array([stored[name] for name in names]), constant=stored["constant"]
    )


def take_apart(question: str, found: Sequence[Candidate]) -> Question:
    """Weigh the words of a question by how rare they are in the candidate sentences."""
    counts = Counter(word for candidate in found for word in candidate.words)
    content = telling(question) or list(dict.fromkeys(words(question)))
    rarity = {word: math.log(1 + (len(found) + 1) / (1 + counts[word])) for word in content}
    total = sum(rarity.values()) or 1.0
    spelled = words(question)
    return Question(
        text=question,
        kind=asked(question),
        rarity={word: weight / total for word, weight in rarity.items()},
        names=frozenset(names(question)),
        pairs=frozenset(
            pair for pair in zip(spelled, spelled[1:], strict=False) if rarity.keys() & set(pair)
        ),
    )


def coverage(question: Question, found: frozenset[str] | set[str]) -> float:
    """Share of the question's words that are among these, by rarity, from 0 to 1."""
    return sum(weight for word, weight in question.rarity.items() if word in found)


def sentence_features(
    question: Question,
    found: Sequence[Candidate],
    similarities: FloatVector,
    passages: Sequence[Passage],
) -> Features:
    """One row per candidate, shape (n, len(SENTENCE_FEATURES))."""
    whole = [frozenset(words(passage.text)) for passage in passages]
    rows = []
    for candidate, similarity in zip(found, similarities.tolist(), strict=True):
        passage = passages[candidate.passage]
        around = candidate.words | set(words(f"{passage.document_title} {candidate.context}"))
        here = coverage(question, candidate.words)
        there = coverage(question, around)
        spelled = words(candidate.text)
        pairs = set(zip(spelled, spelled[1:], strict=False))
        has = 0.0
        if question.kind is not Asked.OTHER:
            has = 1.0 if gives(question.kind, candidate.text, question.text) else -1.0
        rows.append(
            (
                similarity,
                here,
                there - here,
                max(0.0, coverage(question, whole[candidate.passage]) - there),
                _share(question.names, around),
                _share(question.pairs, pairs),
                has,
                len(candidate.words - question.rarity.keys()) / max(1, len(candidate.words)),
                math.log1p(len(spelled)),
                passage.scores.get("dense", similarity),
                1 / (1 + candidate.passage),
            )
        )
    return np.array(rows, dtype=np.float64).reshape(-1, len(SENTENCE_FEATURES))


def answer_features(
    question: Question,
    found: Sequence[Candidate],
    features: Features,
    scores: Features,
    passages: Sequence[Passage],
) -> Features:
    """What speaks for an answer, shape (1, len(ANSWER_FEATURES)), from the best sentence."""
    best = int(np.argmax(scores))
    of = dict(zip(SENTENCE_FEATURES, features[best].tolist(), strict=True))
    others = [
        score
        for candidate, score in zip(found, scores.tolist(), strict=True)
        if candidate.passage != found[best].passage
    ]
    passage = passages[found[best].passage]
    inside = set(words(f"{passage.document_title} {passage.text}"))
    everywhere = inside.union(*(candidate.words for candidate in found))
    rarest = max(question.rarity, key=question.rarity.__getitem__, default="")
    row = of | {
        "score": float(scores[best]),
        "margin": float(scores[best]) - max(others, default=float(scores[best])),
        "missing": float(rarest not in everywhere),
        "names_passage": _share(question.names, inside),
    }
    return np.array([[row[name] for name in ANSWER_FEATURES]])


def _share(wanted: frozenset[str] | frozenset[tuple[str, str]], found: set[str] | set[tuple[str, str]]) -> float:
    return len(wanted & found) / len(wanted) if wanted else 1.0
