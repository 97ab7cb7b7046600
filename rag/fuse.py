"""Two rankings made into one: convex combination and reciprocal rank fusion.

Where vectors can be read back, what the candidates say of one another counts as well, and what the
documents that they stand in open with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.embedding import Embedder, Tokenizing
from rag.regularize import Contents, regularized
from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors import Hits, nothing

Search: TypeAlias = Callable[[int, Ids | None], Hits]
"""An index with the query filled in: ``(k, allowed) -> Hits``."""

DEPTH = 100
"""Candidates taken from each ranking."""

DENSE_WEIGHT = 0.55
"""Weight of the dense ranking; the lexical one has the rest. Chosen on Cranfield, a set of
documentation pages and SQuAD passages together: from 0.5 to 0.65, nDCG@10 of each stays within
0.005 of the best single or fused ranking known for it."""

PAIR_WEIGHT = 0.4
"""Of words that stand together in query and passage (`rag.lexical`); chosen as FEEDBACK was."""

OPENING_IN_WORDS = 0.75
"""Of the words of the first chunk of a candidate's document, beside those of its own. Which company
a report is of, or between whom a contract was made, stands there and in few other chunks. More is
better for reports, and worse where documents are of many things (a small set of our own: 0.838
without, 0.834 with this, 0.827 with 1)."""

SPELLED_WEIGHT = 0.2
"""The same for a query whose words the embedding model does not know."""
_FLUENT, _FOREIGN = 0.28, 0.36
"""The same for a language that the model was trained on, and for one that it only has words for:
nineteen of twenty English questions have at most 0.31, of German ones at least 0.29."""
_LONGEST_TOKEN = 20
_FEW = 3
"""Fewer candidates than this say nothing of one another."""
_WORDS, _LETTERS = 0.6, 0.9
"""Tokens a letter or digit: up to the first a model has words for the language (English 0.25,
German 0.4 for an English model), from the second on it spells (Greek 0.95, Arabic 1.0)."""


class HybridHits(NamedTuple):
    """A fused ranking, and the scores of every candidate in it.

    ``opening`` is by the words of what its document begins with; without those that have none.
    """

    fused: Hits
    dense: Hits
    lexical: Hits
    opening: Hits


class Context(NamedTuple):
    """What can be learned of candidates beside their scores."""

    documents: Callable[[Ids], Ids]
    """For each of some sorted ids the first chunk of the document that it is in."""
    opening: Search
    """The lexical index, asked for first chunks; without pairs, which take as long as the rest."""
    read: Callable[[Ids], tuple[Ids, FloatMatrix]] | None
    """Those of some sorted ids that have a vector, and the vectors, if these compare."""


def dense_weight(query: str, embedder: Embedder) -> float:
    """The weight of the dense ranking of a query: less where the model spells its words.

    A tokenizer without words for a language belongs to a model that has not learned it. On
    Arabic and Greek questions with an English model this takes nDCG@10 from 0.843 and 0.911 to
    0.906 and 0.937 (BM25: 0.908 and 0.929), and leaves languages that it knows as they are.
    """
    spelled = _spelled(query, embedder)
    return float(np.interp(spelled, (_WORDS, _LETTERS), (DENSE_WEIGHT, SPELLED_WEIGHT)))


def likeness_trust(query: str, embedder: Embedder) -> float:
    """How far the model's vectors tell which passages in the query's language are alike.

    Less is needed to find a passage by them: on German questions with an English model the
    candidates' likeness costs 0.008 of nDCG@10, and on English ones it brings up to 0.03.
    """
    return float(np.interp(_spelled(query, embedder), (_FLUENT, _FOREIGN), (1.0, 0.0)))


def _spelled(query: str, embedder: Embedder) -> float:
    """Tokens a letter or digit of the query; 0 where that cannot be known.

    What is longer than words are is one unknown token for a stretch of Thai: as if spelled.
    """
    letters = sum(sign.isalnum() for sign in query)
    if not letters or not isinstance(embedder, Tokenizing):  # else its tokens are an estimate
        return 0.0
    spans = embedder.token_offsets(query).tolist()
    lengths = [sum(map(str.isalnum, query[start:end])) for start, end in spans]
    return sum(one if one > _LONGEST_TOKEN else min(one, 1) for one in lengths) / letters


def search_hybrid(
    dense: Search,
    lexical: Search,
    allowed: Ids | None = None,
    *,
    weight: float = DENSE_WEIGHT,
    context: Context | None = None,
    trust: float = 1.0,
) -> HybridHits:
    """Take the best of both indexes, score every candidate in both, and fuse.

    A candidate that only one index put forward gets its true score from the other: what to
    assume of a missing score would otherwise decide the order of just those candidates.
    ``lexical`` stays without candidates that contain no word of the query. With a ``context`` the
    words count that candidates' documents open with, and the fused scores are regularized by the
    candidates' likeness, as far as it is to be trusted.
    """
    found_dense = dense(DEPTH, allowed)
    found_lexical = lexical(DEPTH, allowed)
    ids = np.union1d(found_dense.ids, found_lexical.ids)
    complete_dense = _complete(found_dense, ids, dense)
    complete_lexical = _complete(found_lexical, ids, lexical)
    if context is None or not len(ids):
        fused = fuse_convex(complete_dense, complete_lexical, weight)
        return HybridHits(fused, complete_dense, complete_lexical, nothing())
    documents = context.documents(ids)
    opening = _openings(ids, documents, complete_lexical, context.opening)
    contents = None
    if context.read is not None and trust and len(ids) >= _FEW:
        held, vectors = context.read(ids)
        contents = Contents(held, vectors, documents[np.searchsorted(ids, held)])
    fused = fuse_regularized(complete_dense, complete_lexical, opening, contents, weight, trust)
    return HybridHits(fused, complete_dense, complete_lexical, opening)


def fuse_regularized(
    dense: Hits,
    lexical: Hits,
    opening: Hits,
    contents: Contents | None,
    weight: float = DENSE_WEIGHT,
    trust: float = 1.0,
) -> Hits:
    """As ``fuse_convex``, with what the candidates say of one another (`rag.regularize`).

    The lexical score of each is what its own words and those of its document's ``opening`` give.
    Without ``contents`` that is all.
    """
    ids, cosines, of_words = _aligned(dense, lexical)
    of_words = of_words + np.float32(OPENING_IN_WORDS) * _spread(opening, ids, np.float32(0))

    def fuse(scores: FloatVector) -> FloatVector:
        return _convex(scores, of_words, weight)

    if contents is None:
        return _ranked(ids, fuse(cosines))
    return _ranked(ids, regularized(ids, cosines, contents, fuse, trust))


def fuse_convex(dense: Hits, lexical: Hits, weight: float = DENSE_WEIGHT) -> Hits:
    """``weight`` times the dense standard score plus ``1 - weight`` times the lexical one.

    A standard score is the distance from the mean over all candidates of the query in standard
    deviations, so the result depends on no model's or formula's scale. A candidate without
    lexical score contains no word of the query and has BM25 score 0; one without dense score
    gets the lowest there is. Convex combination of normalized scores: Bruch, Gai, Ingber, "An
    Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS 42(1), 2023.

    Returns:
        All candidates of either ranking. Scores compare within one query only.
    """
    ids, cosines, of_words = _aligned(dense, lexical)
    return _ranked(ids, _convex(cosines, of_words, weight))


def fuse_rrf(dense: Hits, lexical: Hits, k: int = 60) -> Hits:
    """Sum of ``1 / (k + rank)`` over the rankings that contain the candidate; ranks from 1.

    Source: Cormack, Clarke, Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and
    individual Rank Learning Methods", SIGIR 2009.
    """
    ids = np.union1d(dense.ids, lexical.ids)
    fused = np.zeros(len(ids), np.float64)
    for hits in (dense, lexical):
        fused[np.searchsorted(ids, hits.ids)] += 1 / (k + 1 + np.arange(len(hits.ids)))
    return _ranked(ids, fused)


def _complete(hits: Hits, others: Ids, search: Search) -> Hits:
    """Hits with those of the other ranking's that this one did not put forward."""
    if len(hits.ids) < DEPTH:
        return hits  # it put forward all that it has
    missing = np.setdiff1d(others, hits.ids)
    if not len(missing):
        return hits
    more = search(len(missing), missing)
    return Hits(np.concatenate([hits.ids, more.ids]), np.concatenate([hits.scores, more.scores]))


def _openings(ids: Ids, documents: Ids, lexical: Hits, opening: Search) -> Hits:
    """For each candidate the lexical score of its document's first chunk, where that has one.

    A first chunk has its own, which knows pairs: what is alone in its document keeps its place.
    """
    first = np.unique(documents)
    scores = _spread(opening(len(first), first), first, np.float32(0))
    of_each = scores[np.searchsorted(first, documents)]
    own = ids == documents
    of_each[own] = _spread(lexical, ids, np.float32(0))[own]
    return Hits(ids[of_each > 0], of_each[of_each > 0])


def _aligned(dense: Hits, lexical: Hits) -> tuple[Ids, FloatVector, FloatVector]:
    """All candidates, sorted, and both scores of each."""
    ids = np.union1d(dense.ids, lexical.ids)
    lowest = dense.scores.min() if len(dense.scores) else np.float32(0)
    return ids, _spread(dense, ids, lowest), _spread(lexical, ids, np.float32(0))


def _convex(cosines: FloatVector, of_words: FloatVector, weight: float) -> FloatVector:
    fused: FloatVector = weight * _standard(cosines) + (1 - weight) * _standard(of_words)
    return fused


def _spread(hits: Hits, ids: Ids, missing: np.float32) -> FloatVector:
    """The scores in the order of the sorted ``ids``."""
    scores = np.full(len(ids), missing, np.float32)
    scores[np.searchsorted(ids, hits.ids)] = hits.scores
    return scores


def _standard(scores: FloatVector) -> FloatVector:
    """Standard scores; zeros when the scores do not differ by more than rounding."""
    deviation = scores.std() if len(scores) else np.float32(0)
    if deviation < 1e-6:
        return np.zeros_like(scores)
    standard: FloatVector = (scores - scores.mean()) / deviation
    return standard


def _ranked(ids: Ids, scores: NDArray[np.floating]) -> Hits:
    order = np.lexsort((ids, -scores))
    return Hits(ids[order], scores[order].astype(np.float32))
