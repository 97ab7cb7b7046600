"""How well sentences answer a question: features, and the two fitted models over them.

Both models are logistic regressions over a few features. One ranks sentences; the other,
over what is known of the best sentence, says how likely it is that the selected sentences
answer the question. Their coefficients lie in ``weights.json``; the script
``tests/benchmarks/answers.py --fit`` makes that file and says on what data.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.models.offline.candidates import Candidate
from rag.models.offline.words import Asked, asked, gives, names, periods, telling, words
from rag.types import FloatVector, Passage

Features: TypeAlias = NDArray[np.float64]

SENTENCE_FEATURES = (
    "similarity",  # cosine of sentence and question
    "title",  # share of the question's telling words in the document's title, by rarity
    "coverage",  # what the sentence adds to that
    "near",  # what heading, header and the sentence before add
    "passage",  # what the whole passage adds
    "names",  # share of the question's names and numbers in title, sentence and near it
    "conflict",  # years and quarters asked for while title and sentence have others only
    "elsewhere",  # share of the question's words in other documents' titles, and not here
    "pairs",  # share of the question's neighbouring words that are neighbours here
    "type",  # 1: has the kind of expression asked for; -1: has not; 0: unknown
    "length",  # logarithm of the number of words
    "retrieved",  # cosine of passage and question
    "rank",  # minus the logarithm of the passage's rank
)
ANSWER_FEATURES = (
    "score",  # of the best sentence, by the first model
    "similarity",
    "title",
    "coverage",
    "near",
    "passage",
    "missing",  # weight of the question's words that no passage has
    "names",
    "conflict",
    "elsewhere",
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
        pairs=frozenset(pair for pair in pairwise(spelled) if rarity.keys() & set(pair)),
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
    titles = [frozenset(words(_called(passage))) for passage in passages]
    whole = [frozenset(words(passage.text)) for passage in passages]
    others = frozenset[str]().union(*titles)
    rows = []
    for candidate, similarity in zip(found, similarities.tolist(), strict=True):
        at = candidate.passage
        # What the title says counts for all sentences of its document alike: repeating the
        # name of the document is no answer.
        known = titles[at]
        covered = [coverage(question, known)]
        for more in (candidate.words, candidate.near, whole[at]):
            known = known | more
            covered.append(coverage(question, known))
        about = titles[at] | candidate.words | candidate.near
        spelled = words(candidate.text)
        has = 0.0
        if question.kind is not Asked.OTHER:
            has = 1.0 if gives(question.kind, candidate.text, question.text) else -1.0
        rows.append(
            (
                similarity,
                covered[0],
                *(after - before for before, after in pairwise(covered)),
                _share(question.names, about),
                float(_conflicts(question, about)),
                coverage(question, others - about),
                _share(question.pairs, set(pairwise(spelled))),
                has,
                math.log1p(len(spelled)),
                passages[at].scores.get("dense", similarity),
                -math.log1p(at),
            )
        )
    return np.array(rows, dtype=np.float64).reshape(-1, len(SENTENCE_FEATURES))


def _conflicts(question: Question, about: Set[str]) -> int:
    """How many kinds of periods are asked for where only others of that kind are known."""
    pairs = zip(periods(question.rarity.keys()), periods(about), strict=True)
    return sum(bool(wanted and known and not wanted & known) for wanted, known in pairs)


def _called(passage: Passage) -> str:
    """What a document is called: its title, and its file's name without the ending."""
    return f"{passage.document_title} {PurePath(passage.document_name).stem.replace('_', ' ')}"


def answer_features(
    question: Question, found: Sequence[Candidate], features: Features, scores: Features
) -> Features:
    """What speaks for an answer, shape (1, len(ANSWER_FEATURES)), from the best sentence."""
    best = int(np.argmax(scores))
    of = dict(zip(SENTENCE_FEATURES, features[best].tolist(), strict=True))
    everywhere = frozenset[str]().union(*(one.words | one.near for one in found))
    row = of | {"score": float(scores[best]), "missing": 1 - coverage(question, everywhere)}
    return np.array([[row[name] for name in ANSWER_FEATURES]])


def _share(wanted: frozenset[Any], found: Set[Any]) -> float:
    return len(wanted & found) / len(wanted) if wanted else 1.0
