"""How well sentences answer a question: features, and the two fitted models over them.

Both models are logistic regressions over a few features. One ranks sentences; the other,
over what is known of the best sentence, says how likely it is that the selected sentences
answer the question. Their coefficients lie in ``weights.json``; the script
``tests/benchmarks/answers.py --fit`` makes that file and says on what data. With a reader there are
more features of sentences (`rag.models.offline.reading`), and the coefficients of the model that
ranks them lie in the reader's card. Whether anything is said is not the reader's to decide:
questions that have no answer in their passages it knows no better, and it doubts tables.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice, pairwise, takewhile
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.models.offline.candidates import Candidate, is_heading
from rag.models.offline.words import Asked, asked, gives, names, periods, telling, words
from rag.models.tasks import AnswerTask
from rag.types import FloatVector, Passage

Features: TypeAlias = NDArray[np.float64]

_TITLE_LINES = 2

SENTENCE_FEATURES = (
    "similarity",  # cosine of sentence and question
    "title",  # share of the question's telling words in the document's title, by rarity
    "coverage",  # what the sentence adds to that
    "near",  # what heading, header and the sentence before add
    "passage",  # what the whole passage adds
    "conflict",  # years and quarters asked for while title and sentence have others only
    "dated",  # years and quarters asked for: 1 for each kind that the title has, -1 for others
    "elsewhere",  # share of what the question names that other documents carry and this does not
    "new",  # logarithm of the number of words that neither question nor title has
    "type",  # 1: has the kind of expression asked for; -1: has not; 0: hard to say
    "echo",  # share of the question's words, when only others of the passage have that kind
    "rank",  # minus the logarithm of the passage's rank
)
READ_FEATURES = (  # each times the probability of the best span of all, against none
    "read",  # how much likelier an answer the sentence's best span is than none
    "behind",  # how much less likely than the best span of all passages
    "relevant",  # whether its passage answers, as the reader judges all of it
    "agreed",  # how many other passages have the same answer
)
ANSWER_FEATURES = (
    "score",  # of the best sentence, by the first model
    "similarity",
    "title",
    "coverage",
    "near",
    "passage",
    "missing",  # weight of the question's words that no passage has
    "unknown",  # share of the question's names that no document is known to have
    "conflict",
    "dated",
    "elsewhere",
    "retrieved",  # cosine of its passage and the question
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question taken apart. ``rarity`` weighs each telling word; all sum to 1."""

    text: str
    kind: Asked
    rarity: Mapping[str, float]
    names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Coefficients over raw features, by ``names``, and the constant."""

    names: tuple[str, ...]
    coefficients: Features
    constant: float

    def logit(self, features: Features) -> Features:
        """Log odds, shape (n,), for features of shape (n, k)."""
        return features @ self.coefficients + self.constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What ranks sentences, and what says how likely the best ones answer."""

    sentence: Weights
    answer: Weights


def load_models() -> Models:
    """The models that need no reader."""
    return models_of(json.loads(files(__package__).joinpath("weights.json").read_text("utf-8")))


def models_of(stored: Mapping[str, Mapping[str, float]]) -> Models:
    """The models of stored coefficients."""
    return Models(
        sentence=weights_of(stored["sentence"], SENTENCE_FEATURES),
        answer=weights_of(stored["answer"], ANSWER_FEATURES),
    )


def weights_of(stored: Mapping[str, float], names: tuple[str, ...]) -> Weights:
    """Stored coefficients of features, in their order."""
    return Weights(
        names=names,
        coefficients=np.array([stored[name] for name in names]),
        constant=stored["constant"],
    )


def take_apart(question: str, found: Sequence[Candidate]) -> Question:
    """Weigh the words of a question by how rare they are in the candidate sentences."""
    counts = Counter(word for candidate in found for word in candidate.words)
    content = telling(question) or list(dict.fromkeys(words(question)))
    rarity = {word: math.log(1 + (len(found) + 1) / (1 + counts[word])) for word in content}
    total = sum(rarity.values()) or 1.0
    return Question(
        text=question,
        kind=asked(question),
        rarity={word: weight / total for word, weight in rarity.items()},
        names=frozenset(names(question)),
    )


def coverage(question: Question, found: frozenset[str] | set[str]) -> float:
    """Share of the question's words that are among these, by rarity, from 0 to 1."""
    return sum(weight for word, weight in question.rarity.items() if word in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of a passage: how its document is called, and all that is at hand of it."""

    called: frozenset[str]
    whole: frozenset[str]


def sentence_features(
    question: Question, found: Sequence[Candidate], similarities: FloatVector, task: AnswerTask
) -> Features:
    """One row per candidate, shape (n, len(SENTENCE_FEATURES))."""
    known = [_known(passage, task) for passage in task.passages]
    given = [gives_asked(question, candidate) for candidate in found]
    better = {one.passage for one, gives_it in zip(found, given, strict=True) if gives_it}
    rows = []
    for candidate, similarity, gives_it in zip(found, similarities.tolist(), given, strict=True):
        row = _features(question, candidate, known)
        clear = question.kind not in (Asked.OTHER, Asked.NAME)
        echo = not gives_it and candidate.passage in better
        rows.append(
            (
                similarity,
                *row,
                float(clear) * (1.0 if gives_it else -1.0),
                coverage(question, candidate.words) if echo else 0.0,
                -math.log1p(candidate.passage),
            )
        )
    return np.array(rows, dtype=np.float64).reshape(-1, len(SENTENCE_FEATURES))


def _features(
    question: Question, candidate: Candidate, known: Sequence[_Known]
) -> tuple[float, ...]:
    its = known[candidate.passage]
    # What the title says counts for all sentences of its document alike: repeating the
    # name of the document is no answer.
    before = its.called
    covered = [coverage(question, before)]
    for more in (candidate.words, candidate.near, its.whole):
        before = before | more
        covered.append(coverage(question, before))
    about = its.called | candidate.words | candidate.near
    return (
        covered[0],
        *(after - before for before, after in pairwise(covered)),
        float(_conflicts(question, about)),
        float(_dated(question, its.called)),
        _elsewhere(question, its, known),
        math.log1p(len(candidate.words - its.called - question.rarity.keys())),
    )


def called_words(passage: Passage, task: AnswerTask) -> frozenset[str]:
    """The words of what a document is called: its title, and its file's name."""
    title = passage.document_title
    if title in ("", passage.document_name):  # a file that states no title may begin with one
        lines = filter(None, map(str.strip, task.openings.get(passage.document_id, "").split("\n")))
        title = " ".join(takewhile(is_heading, islice(lines, _TITLE_LINES)))
    return frozenset(words(f"{title} {PurePath(passage.document_name).stem.replace('_', ' ')}"))


def _known(passage: Passage, task: AnswerTask) -> _Known:
    opening = task.openings.get(passage.document_id, "")
    called = called_words(passage, task)
    whole = called.union(words(opening), words(passage.text))
    return _Known(called=called, whole=whole)


def _elsewhere(question: Question, its: _Known, known: Sequence[_Known]) -> float:
    """Share, by rarity, of the documents' and others' names in the question not known here."""
    titles = frozenset[str]().union(*(one.called for one in known))
    texts = frozenset[str]().union(*(one.whole for one in known))
    named = coverage(question, titles | question.names)
    return coverage(question, (titles | question.names & texts) - its.whole) / (named or 1.0)


def gives_asked(question: Question, candidate: Candidate) -> bool:
    """Whether a sentence has an expression of the kind that a question clearly asks for."""
    kind = question.kind
    return kind is not Asked.OTHER and gives(kind, candidate.text, question.text)


def _conflicts(question: Question, about: Set[str]) -> int:
    """How many kinds of periods are asked for where only others of that kind are known."""
    pairs = zip(periods(question.rarity.keys()), periods(about), strict=True)
    return sum(bool(wanted and known and not wanted & known) for wanted, known in pairs)


def _dated(question: Question, called: Set[str]) -> int:
    """Kinds of periods asked for that a title has, less those of which it has others."""
    pairs = zip(periods(question.rarity.keys()), periods(called), strict=True)
    return sum(1 if wanted & known else -1 for wanted, known in pairs if wanted and known)


def answer_features(
    question: Question,
    found: Sequence[Candidate],
    features: Features,
    models: Models,
    task: AnswerTask,
) -> Features:
    """What speaks for an answer, shape (1, k), from the best sentence."""
    scores = models.sentence.logit(features)
    best = int(np.argmax(scores))
    of = dict(zip(models.sentence.names, features[best].tolist(), strict=True))
    everywhere = frozenset[str]().union(*(one.words | one.near for one in found))
    whole = frozenset[str]().union(*(_known(passage, task).whole for passage in task.passages))
    row = of | {
        "score": float(scores[best]),
        "retrieved": task.passages[found[best].passage].scores.get("dense", of["similarity"]),
        "missing": 1 - coverage(question, everywhere),
        "unknown": 1 - _share(question.names, whole),
    }
    return np.array([[row[name] for name in models.answer.names]])


def _share(wanted: frozenset[Any], found: Set[Any]) -> float:
    return len(wanted & found) / len(wanted) if wanted else 1.0
