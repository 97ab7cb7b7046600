"""Approximate or exact nearest neighbours over chunk ids.

SQL is the truth and every index is derived from it. An index that outlives the process is
compared with SQL by its ids when it is opened: what it lacks is added, what it has too much is
removed. Chunk ids are never used again and a place is never used for other vectors, so equal ids
are equal contents: there is nothing else to remember.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from rag.types import FloatMatrix, FloatVector, Ids


class Hits(NamedTuple):
    """Chunk ids and their similarities, best first; both of one length."""

    ids: Ids
    scores: FloatVector


class VectorIndex(Protocol):
    """Vectors by chunk id. Adding an id again replaces it; removal shows in the next search."""

    def add(self, ids: Ids, vectors: FloatMatrix) -> None:
        """Add or replace; shapes (n,) and (n, dimension), vectors L2-normalized."""
        ...

    def remove(self, ids: Ids) -> None:
        """Forget these ids; unknown ones are ignored."""
        ...

    def search(self, vector: FloatVector, k: int, allowed: Ids | None = None) -> Hits:
        """The k most similar by inner product, among ``allowed`` (sorted ids) when given."""
        ...

    def get(self, ids: Ids) -> tuple[Ids, FloatMatrix]:
        """Those of some sorted ids that are held, sorted, with their vectors, about as added."""
        ...

    def ids(self) -> Ids:
        """All ids held, sorted: what is compared with SQL."""
        ...

    def drop(self) -> None:
        """Forget everything, for good; the index is not used again."""
        ...

    def close(self) -> None:
        """Write nothing more where it is kept: it may be opened anew while this is searched."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the index of one collection is kept, and what SQL knows of its vectors."""

    name: str
    """Of letters, digits and ``_``; other vectors of the same collection have another one."""
    dimension: int
    stored: Callable[[Ids], tuple[Ids, FloatMatrix]]
    """Those of some ids that SQL has, with their vectors, shape (n, dimension)."""


OpenVectors: TypeAlias = Callable[[Place], VectorIndex]
"""Opens the index at a place; what an earlier process left there may be in it."""


def check_shapes(ids: Ids, vectors: FloatMatrix, dimension: int) -> None:
    """Refuse vectors that do not fit their ids or the index.

    Raises:
        ValueError: they do not.
    """
    if vectors.shape != (len(ids), dimension):
        raise ValueError(
            f"{len(ids)} ids came with vectors of shape {vectors.shape}; this index needs "
            f"({len(ids)}, {dimension})"
        )


def last_of_each(ids: Ids, vectors: FloatMatrix) -> tuple[Ids, FloatMatrix]:
    """Without repetitions of an id: the last one wins."""
    unique, from_end = np.unique(ids[::-1], return_index=True)
    if len(unique) == len(ids):
        return ids, vectors
    last = np.sort(len(ids) - 1 - from_end)
    return ids[last], np.ascontiguousarray(vectors[last])


def best(ids: Ids, scores: FloatVector, k: int) -> Hits:
    """The k best, equal ones ordered by id."""
    order = np.lexsort((ids, -scores))[:k]
    return Hits(ids[order], scores[order])


def nothing() -> Hits:
    """No hits."""
    return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
