"""Classification: by what labels are called and described, or by their examples.

Without examples, a text is compared with the words of each label, and with how alike texts are
that have nothing to do with each other: what is left to 1 is the probability that no label fits.
With examples for every label, a linear discriminant over the embeddings decides: one mean a label,
one covariance for all, shrunk towards a multiple of the identity, since there are always fewer
examples than dimensions (Friedman, "Regularized Discriminant Analysis", JASA 1989). Shrinkage and
temperatures were chosen on a part of banking77 that is not reported.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from rag.embedding import Embedder
from rag.models.offline import ID
from rag.models.offline.sentences import embed, statement, telling_sentences
from rag.models.offline.words import dense, telling, words
from rag.models.tasks import Classification, ClassifyTask, Label, Outcome, Statement
from rag.sentences import split
from rag.types import FloatMatrix, FloatVector, Passage

_T = TypeVar("_T")
Logits: TypeAlias = NDArray[np.float64]

# Characters embedded as one: about what the model's window holds.
_PIECE = 900
_MOST_PIECES, _MOST_SENTENCES, _MOST_FEATURES = 64, 64, 3
_MOST_EXAMPLES = 200
# Cosines, and log densities, are divided by these, so that scores are probabilities.
_BY_NAME, _BY_EXAMPLES = 0.06, 16.0
# The cosine at which a label fits no better than none does.
_UNRELATED = 0.2
_SHRINKAGE = 0.7
# Variance within a label before any example is seen, and how many examples that counts for.
_VARIANCE, _PRIOR = 0.5, 10
# Share of a label's own words in its mean of examples.
_NAME_SHARE = 0.1
# Weight of shared words where the embedding knows little of the script.
_WORDS = 0.3
_CLOSE, _LIKELY, _SHORT = 0.15, 0.5, 3
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\-/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """A linear score of each label: ``vectors @ weights + constants``, shape (n, labels).

    ``none`` is the score of no label; one that was fitted to examples knows labels only.
    """

    weights: NDArray[np.float64]
    constants: NDArray[np.float64]
    none: float = -np.inf

    def __call__(self, vectors: FloatMatrix) -> Logits:
        return vectors.astype(np.float64) @ self.weights + self.constants


class Classifying:
    """Chooses a label. What is known of labels is kept for the next texts."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._head = lru_cache(maxsize=16)(self._fit)

    def run(self, task: ClassifyTask) -> Outcome[Classification]:
        """Choose a label for the passages as a whole.

        Raises:
            ValueError: There are no labels.
        """
        started = time.perf_counter()
        if not task.labels:
            raise ValueError("there are no labels to choose from")
        head = self._head(task.labels)
        pieces = _pieces(task.passages)
        logits = head(self._vector(pieces)[None])[0]
        text = " ".join(pieces)
        if dense(text):
            logits = logits + _WORDS / _BY_NAME * _shared(task.labels, text)
        top = max(logits.max(), head.none)
        likely = np.exp(logits - top)
        whole = likely.sum() + np.exp(head.none - top)
        likely = likely / whole if pieces else np.full(len(likely), 1 / len(likely))
        order = np.argsort(-likely, kind="stable").tolist()
        best, next_ = order[0], order[1] if len(order) > 1 else None
        scores = {task.labels[place].name: round(float(likely[place]), 4) for place in order}
        value = Classification(
            primary=task.labels[best].name,
            secondary=None if next_ is None else task.labels[next_].name,
            scores=scores,
            features=self._features(task, head, best),
            uncertainty=_uncertainty(scores, text),
        )
        return Outcome(
            value=value,
            confidence=scores[value.primary],
            engine=ID,
            timings={"classify": round((time.perf_counter() - started) * 1000, 3)},
        )

    def _vector(self, pieces: Sequence[str]) -> FloatVector:
        """The mean of the pieces' vectors, at length 1."""
        if not pieces:
            return np.zeros(self._embedder.dimension, dtype=np.float32)
        mean = self._embedder.embed_passages(pieces).mean(axis=0)
        return np.asarray(_unit(mean[None])[0], dtype=np.float32)

    def _fit(self, labels: tuple[Label, ...]) -> _Head:
        named = self._embedder.embed_passages([_described(label) for label in labels])
        examples = [label.examples[:_MOST_EXAMPLES] for label in labels]
        if not any(examples):
            return _by_cosine(named)
        vectors = self._embedder.embed_passages([text for own in examples for text in own])
        ends = np.cumsum([len(own) for own in examples])[:-1]
        groups = np.split(vectors, ends)
        means = np.stack(
            [
                own.mean(axis=0) if len(own) else name
                for own, name in zip(groups, named, strict=True)
            ]
        )
        if not all(examples):
            return _by_cosine(_unit(means))
        within = np.concatenate([own - own.mean(axis=0) for own in groups])
        return _discriminant(means + _NAME_SHARE * named, within, len(labels))

    def _features(self, task: ClassifyTask, head: _Head, best: int) -> tuple[Statement, ...]:
        """The sentences that most set the label apart from the others, in the text's order."""
        found = _spread(telling_sentences(task.passages), _MOST_SENTENCES)
        if not found:
            return ()
        scores = head(embed(found, self._embedder))
        apart = scores[:, best] - scores.mean(axis=1)
        chosen = np.argsort(-apart, kind="stable")[:_MOST_FEATURES]
        return tuple(statement(found[place]) for place in sorted(chosen) if apart[place] > 0)


def _discriminant(means: FloatMatrix, within: FloatMatrix, labels: int) -> _Head:
    """Linear discriminant with shrunk covariance; ``within`` are deviations from the means."""
    dimension = means.shape[1]
    spread = _VARIANCE / dimension * np.eye(dimension)
    free = max(0, len(within) - labels)
    deviations = within.astype(np.float64)
    covariance = (deviations.T @ deviations + _PRIOR * spread) / (free + _PRIOR)
    identity = np.trace(covariance) / dimension * np.eye(dimension)
    shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * identity
    weights = np.linalg.solve(shrunk, means.T.astype(np.float64))
    constants = -0.5 * np.einsum("ld,dl->l", means, weights)
    return _Head(weights=weights / _BY_EXAMPLES, constants=constants / _BY_EXAMPLES)


def _by_cosine(prototypes: FloatMatrix) -> _Head:
    weights = prototypes.T.astype(np.float64) / _BY_NAME
    constants = np.zeros(len(prototypes))
    return _Head(weights=weights, constants=constants, none=_UNRELATED / _BY_NAME)


def _unit(vectors: FloatMatrix) -> FloatMatrix:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def _described(label: Label) -> str:
    """What a label says: its name as words, and its description."""
    name = " ".join(_CAMEL.sub(" ", label.name).split())
    return f"{name}: {label.description}" if label.description else name


def _pieces(passages: Sequence[Passage]) -> list[str]:
    """The passages in stretches of whole sentences that the model reads to the end."""
    pieces: list[str] = []
    for passage in passages:
        start = end = None
        for span in split(passage.text):
            if start is not None and end is not None and span.end - start > _PIECE:
                pieces.append(passage.text[start:end])
                start = None
            start, end = span.start if start is None else start, span.end
        if start is not None:
            pieces.append(passage.text[start:end])
    return _spread(pieces, _MOST_PIECES)


def _spread(found: list[_T], most: int) -> list[_T]:
    """At most so many, spread evenly over all of the text."""
    if len(found) <= most:
        return found
    return [found[place] for place in np.linspace(0, len(found) - 1, most).astype(int)]


def _shared(labels: Sequence[Label], text: str) -> Logits:
    """Share of each label's telling words that the text has."""
    known = set(words(text))
    own = [telling(_described(label)) for label in labels]
    return np.array([sum(one in known for one in ws) / max(1, len(ws)) for ws in own])


def _uncertainty(scores: dict[str, float], text: str) -> str | None:
    """What speaks against the first label, in a sentence."""
    (first, likely), *others = scores.items()
    if not words(text):
        return "There are no words to go by."
    one_fits = sum(scores.values()) >= _LIKELY
    if one_fits and others and likely - others[0][1] < _CLOSE:
        return f"{others[0][0]!r} fits almost as well: {others[0][1]:.2f} beside {likely:.2f}."
    if likely < _LIKELY:
        return f"No label fits well: {first!r} is the likeliest with {likely:.2f}."
    if len(words(text)) < _SHORT:
        return "There are only a few words to go by."
    return None
