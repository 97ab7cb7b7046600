"""Exact inner-product search in memory with FAISS."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.locks import ReadWriteLock
from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors import Hits, best, check_shapes, last_of_each, nothing

_COMPACT_FROM = 1_000
"""Fewer dead rows than this are never worth moving the others for."""


class FaissIndex:
    """A flat index: every search compares with every allowed vector, so no neighbour is missed.

    A removed vector stays as a dead row that no search can reach, until a quarter of all rows
    are dead and the rows are compacted. Any number of threads may search at once; a change
    waits for them and they for it.
    """

    def __init__(self, dimension: int) -> None:
        """Start empty, for vectors of length ``dimension``."""
        self._dimension = dimension
        self._lock = ReadWriteLock()
        self._index = faiss.IndexFlatIP(dimension)
        self._row_ids: Ids = np.empty(0, np.int64)
        self._alive: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._sort_alive_rows()

    def add(self, ids: Ids, vectors: FloatMatrix) -> None:
        """Add or replace; shapes (n,) and (n, dimension). The last of repeated ids wins.

        Raises:
            ValueError: The shapes do not fit each other or the index.
        """
        ids = np.asarray(ids, np.int64)
        vectors = np.ascontiguousarray(vectors, np.float32)
        check_shapes(ids, vectors, self._dimension)
        ids, vectors = last_of_each(ids, vectors)
        with self._lock.writing():
            self._alive[self._rows(ids)] = False
            self._index.add(vectors)
            self._row_ids = np.concatenate([self._row_ids, ids])
            self._alive = np.concatenate([self._alive, np.ones(len(ids), np.bool_)])
            self._settle()

    def remove(self, ids: Ids) -> None:
        """Forget these ids; unknown ones are ignored."""
        with self._lock.writing():
            self._alive[self._rows(np.asarray(ids, np.int64))] = False
            self._settle()

    def search(self, vector: FloatVector, k: int, allowed: Ids | None = None) -> Hits:
        """The k most similar by inner product, among ``allowed`` when given; exact.

        Equal similarities are ordered by id.
        """
        # OpenMP keeps its thread count per calling thread: queries run side by side, each on
        # one core, because threads of one query fighting for cores cost more than they bring.
        faiss.omp_set_num_threads(1)
        query = np.ascontiguousarray(vector, np.float32).reshape(1, self._dimension)
        with self._lock.reading():
            searchable = self._searchable(allowed)
            k = min(k, len(self._sorted_ids) if searchable is None else searchable.sum())
            if k <= 0:
                return nothing()
            scores, rows = self._search_rows(query, int(k), searchable)
            found = rows >= 0
            ids, scores = self._row_ids[rows[found]], scores[found]
        return best(ids, scores, len(ids))

    def ids(self) -> Ids:
        """All ids held, sorted."""
        with self._lock.reading():
            return self._sorted_ids

    def drop(self) -> None:
        """Forget everything."""
        self.remove(self.ids())

    def _searchable(self, allowed: Ids | None) -> NDArray[np.bool_] | None:
        """Which rows a search may return, shape (rows,); ``None`` when all."""
        if allowed is None:
            return None if len(self._sorted_ids) == len(self._row_ids) else self._alive
        mask = np.zeros(len(self._row_ids), np.bool_)
        mask[self._rows(np.asarray(allowed, np.int64))] = True
        return mask

    def _search_rows(
        self, query: FloatMatrix, k: int, searchable: NDArray[np.bool_] | None
    ) -> tuple[FloatVector, Ids]:
        if searchable is None:
            scores, rows = self._index.search(query, k)
            return scores[0], rows[0]
        bits = np.packbits(searchable, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(searchable), faiss.swig_ptr(bits))
        parameters = faiss.SearchParameters()
        parameters.sel = selector
        scores, rows = self._index.search(query, k, params=parameters)
        return scores[0], rows[0]

    def _rows(self, ids: Ids) -> NDArray[np.intp]:
        """Rows of those of ``ids`` that are held."""
        if not len(self._sorted_ids):
            return self._sorted_rows
        places = np.minimum(np.searchsorted(self._sorted_ids, ids), len(self._sorted_ids) - 1)
        rows: NDArray[np.intp] = self._sorted_rows[places[self._sorted_ids[places] == ids]]
        return rows

    def _settle(self) -> None:
        """Drop dead rows when there are many, and renew the lookup of rows by id."""
        dead = len(self._alive) - int(self._alive.sum())
        if dead >= _COMPACT_FROM and 4 * dead >= len(self._alive):
            bits = np.packbits(~self._alive, bitorder="little")
            self._index.remove_ids(faiss.IDSelectorBitmap(len(self._alive), faiss.swig_ptr(bits)))
            self._row_ids = self._row_ids[self._alive]
            self._alive = np.ones(len(self._row_ids), np.bool_)
        self._sort_alive_rows()

    def _sort_alive_rows(self) -> None:
        rows = np.flatnonzero(self._alive)
        ids = self._row_ids[rows]
        order = np.argsort(ids, kind="stable")
        self._sorted_ids: Ids = ids[order]
        self._sorted_ids.flags.writeable = False
        self._sorted_rows = rows[order]
