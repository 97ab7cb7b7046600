"""What tasks over whole passages share: their sentences, vectors of them, and a choice of few."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rag.embedding import Embedder
from rag.models.offline.answering import LONGEST_EMBEDDED
from rag.models.offline.candidates import Candidate, candidates, is_row
from rag.models.offline.words import telling
from rag.models.tasks import Evidence, Statement
from rag.types import FloatMatrix, FloatVector, Passage

_FEWEST_WORDS = 4
# What numbers a paragraph is no cell of a table, tab or not.
_ENUMERATOR = re.compile(r"^\(?(?:\d+(?:\.\d+)*\.?|[a-zA-Z]|[ivx]+)\)?\t")


def telling_sentences(passages: Sequence[Passage]) -> list[Candidate]:
    """The sentences that say something: no headings, rows, fragments; if there are none, these."""
    found = candidates(passages)
    kept = [
        one
        for one in found
        if not (one.announces or is_row(_ENUMERATOR.sub("", one.text)))
        and len(one.words) >= _FEWEST_WORDS
    ]
    return kept or [one for one in found if not one.announces] or found


def most_promising(
    found: Sequence[Candidate], most: int, query: str | None = None
) -> list[Candidate]:
    """At most so many sentences, in their order: those with what the query, or the text, is about.

    By words alone: of the query by rarity, the sentences around counting half; without a
    query, of the text by frequency.
    """
    if len(found) <= most:
        return list(found)
    own = [frozenset(telling(one.text)) for one in found]
    count = Counter(word for words in own for word in words)
    if query:
        weight = {w: math.log(1 + len(found) / count[w]) for w in telling(query) if count[w]}
        direct = np.array([sum(weight.get(word, 0.0) for word in words) for words in own])
        scores = smoothed(direct, found)
    else:
        scores = np.array(
            [sum(math.log(count[w]) for w in words) / math.sqrt(1 + len(words)) for words in own]
        )
    kept = np.sort(np.argsort(-scores, kind="stable")[:most])
    return [found[place] for place in kept]


def smoothed(scores: FloatVector, found: Sequence[Candidate]) -> FloatVector:
    """Scores to which neighbours in the same document add half of theirs, on average."""
    around = np.zeros(len(scores), dtype=np.float64)
    for place, one in enumerate(found):
        near = [
            scores[other]
            for other in (place - 1, place + 1)
            if 0 <= other < len(found) and found[other].passage == one.passage
        ]
        around[place] = sum(near) / 2
    return np.asarray(scores + around / 2, dtype=np.float32)


def embed(found: Sequence[Candidate], embedder: Embedder) -> FloatMatrix:
    """Vectors of sentences, shape (n, dimension)."""
    return embedder.embed_passages([one.text[:LONGEST_EMBEDDED] for one in found])


def diverse(
    scores: FloatVector, vectors: FloatMatrix, most: int, taken: Sequence[int] = (), *, pull: float
) -> list[int]:
    """Places chosen by maximal marginal relevance, best first.

    Carbonell, Goldstein, "The Use of MMR", SIGIR 1998: each time the one whose score, less
    ``pull`` times its likeness to the nearest of those chosen (and ``taken``), is highest.
    """
    chosen: list[int] = []
    like = np.zeros(len(scores), dtype=np.float32)
    for place in taken:
        like = np.maximum(like, vectors @ vectors[place])
    left = np.array([place not in taken for place in range(len(scores))])
    while len(chosen) < most and left.any():
        worth = np.where(left, scores - pull * like, -np.inf)
        best = int(np.argmax(worth))
        chosen.append(best)
        left[best] = False
        like = np.maximum(like, vectors @ vectors[best])
    return chosen


def evidence(candidate: Candidate) -> Evidence:
    """A sentence as it stands in its passage."""
    return Evidence(passage=candidate.passage, quote=candidate.text, hint=candidate.start)


def statement(candidate: Candidate) -> Statement:
    """A sentence said in its own words, and its own evidence."""
    return Statement(text=" ".join(candidate.text.split()), evidence=(evidence(candidate),))
