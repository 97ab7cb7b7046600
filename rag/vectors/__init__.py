"""Approximate or exact nearest neighbours over chunk ids."""

from __future__ import annotations

from typing import NamedTuple, Protocol

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

    def ids(self) -> Ids:
        """All ids held, sorted: what an audit compares with SQL."""
        ...
