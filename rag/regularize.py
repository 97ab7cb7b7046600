"""What the candidates of a query say of one another: feedback and score regularization.

Passages that are alike tend to answer the same questions (the cluster hypothesis). So the query
is first moved a little towards the passages that stand first, and then each candidate's score
towards those of the candidates most like it in other documents: one whose neighbours are poor
falls behind one whose neighbours are good. Passages of one document are alike anyway; drawn
together, they would take the places of other documents. And a question whose first candidates
stand in few documents is about these: likeness across documents would then lead away, from the
contract that is meant to the same clause of others. Only candidates are compared, so this takes a
millisecond however many passages there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rag.types import FloatMatrix, FloatVector, Ids

FEEDBACK = 0.3
"""Share of the first passages in the query's vector. Chosen, like those down to nearness, on
Cranfield, a set of documentation pages and SQuAD passages together: by half of the questions, but
with the figures of the other half in view, so that none of them is held out."""
_FIRST = 3
SMOOTHING = 0.3
"""Share of the neighbours' scores in a candidate's."""
_NEIGHBOURS = 5
_NEARNESS = 0.1
"""Difference of cosines by which one neighbour counts e times as much as another."""


_SPREAD_OVER = 20
_FEW, _MANY = 0.3, 0.7
"""Documents for each of the first candidates: up to the first it is few of them that are asked
about (contracts 0.1, documentation 0.5), from the second on any (single passages 0.9). Chosen on
all questions of the same sets and those of 8 contracts."""
_SAME = np.float32(-2)
"""In place of the cosine of two passages of one document; less than any cosine."""


class Contents(NamedTuple):
    """What is read of some candidates, sorted by id; those whose vectors are gone are left out."""

    ids: Ids
    vectors: FloatMatrix
    documents: Ids
    """The first chunk of the document that each is in."""


def regularized(
    ids: Ids,
    cosines: FloatVector,
    contents: Contents,
    fuse: Callable[[FloatVector], FloatVector],
    trust: float = 1.0,
) -> FloatVector:
    """The fused scores of the sorted ``ids``, after feedback, and smoothed.

    Args:
        ids: Sorted.
        cosines: Of each with the query.
        contents: What could be read of them.
        fuse: Cosines made into fused scores, in standard deviations.
        trust: Share of both steps that is taken: how well vectors tell what is alike.
    """
    places = np.searchsorted(ids, contents.ids)
    rows = np.zeros((len(ids), contents.vectors.shape[1]), np.float32)
    rows[places] = contents.vectors
    alike: FloatMatrix = rows @ rows.T
    documents = -1 - np.arange(len(ids))  # what could not be read is in one of its own
    documents[places] = contents.documents
    fused = fuse(cosines)
    trust *= spread(documents, fused)
    drawn = with_feedback(alike, cosines, fused, trust * FEEDBACK)
    apart = np.where(documents[:, None] == documents, _SAME, alike)
    return smoothed(apart, fuse(drawn), trust * SMOOTHING)


def spread(documents: Ids, fused: FloatVector) -> float:
    """From 0, where the first candidates stand in few documents, to 1, where in many."""
    first = np.argsort(-fused, kind="stable")[:_SPREAD_OVER]
    share = len(np.unique(documents[first])) / len(first)
    return float(np.interp(share, (_FEW, _MANY), (0.0, 1.0)))


def with_feedback(
    alike: FloatMatrix, cosines: FloatVector, fused: FloatVector, share: float = FEEDBACK
) -> FloatVector:
    """The candidates' cosines with the query once it is drawn towards the first of them.

    Rocchio, "Relevance Feedback in Information Retrieval", 1971, taking the passages that stand
    first for relevant, each as much as the exponential of its score says. Not normalized again.
    """
    first = np.argsort(-fused, kind="stable")[:_FIRST]
    worth = np.exp(fused[first] - fused[first[0]])
    towards = alike[:, first] @ (worth / worth.sum())
    drawn: FloatVector = (1 - share) * cosines + share * towards
    return drawn


def smoothed(alike: FloatMatrix, scores: FloatVector, share: float = SMOOTHING) -> FloatVector:
    """Each score drawn towards the mean of its nearest neighbours', weighed by nearness.

    ``alike`` is shape (n, n); what is less than any cosine is no neighbour. One step of Diaz,
    "Regularizing Ad Hoc Retrieval Scores", CIKM 2005.
    """
    others = alike.copy()
    np.fill_diagonal(others, _SAME)
    count = min(_NEIGHBOURS, len(scores) - 1)
    nearest = np.argpartition(-others, count - 1, axis=1)[:, :count]
    near = np.take_along_axis(others, nearest, axis=1)
    worth = np.exp((near - near.max(axis=1, keepdims=True)) / _NEARNESS) * (near > _SAME)
    total = worth.sum(axis=1)
    lonely = total == 0
    means = (worth * scores[nearest]).sum(axis=1) / np.where(lonely, 1, total)
    drawn: FloatVector = np.where(lonely, scores, (1 - share) * scores + share * means)
    return drawn
