"""Inner-product search in memory with FAISS; its form goes by the number of vectors."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import faiss
import numpy as np

from rag.locks import ReadWriteLock
from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors import Hits, best, check_shapes, last_of_each
from rag.vectors.probing import Mask
from rag.vectors.rows import MOST_COMPARED, FlatRows, ListedRows, Rows
from rag.vectors.snapshots import Snapshots

_log = logging.getLogger(__name__)

EXACT_UP_TO = 40_000
"""Vectors that are all compared with a query; four milliseconds at 384 dimensions."""

_COMPACT_FROM = 1_000
"""Fewer dead rows than this are never worth moving the others for."""
_SPREAD = 4
"""Ids that are at most so many times as far apart as there are rows have a place in a table."""
_GATHERED = 16
"""Looking an id up takes as long as asking so many rows whether theirs is allowed."""
_KEEP_EVERY, _KEEP_AT_REST = 0.2, 0.01
"""A snapshot is renewed when so large a share of the rows is not in it, the second if nothing
came or went for a while: what it lacks is read from SQL at the next start, and held in memory."""
_REST_S = 60.0


class FaissIndex:
    """Exact up to ``EXACT_UP_TO`` vectors; beyond them the nearest of some inverted lists.

    The lists are made by a child process while the rows are still searched as before, and anew
    when there are many more rows, or many dead ones. What is added meanwhile or later goes into
    the lists as they are. A removed vector stays as a dead row that no search can reach; of
    the exact form the rows are compacted when a quarter of them are dead. Any number of
    threads may search at once; a change waits for them and they for it.
    """

    def __init__(
        self,
        dimension: int,
        *,
        snapshots: Snapshots | None = None,
        exact_up_to: float = EXACT_UP_TO,
        flat: Callable[[int], FlatRows] = FlatRows,
    ) -> None:
        """Open what an earlier process left in the snapshots, or start empty.

        Args:
            dimension: Length of the vectors.
            snapshots: Where the lists are kept; nowhere when not given.
            exact_up_to: More vectors than this are put into lists.
            flat: Makes the rows, of some dimension, of the exact form.
        """
        self._dimension = dimension
        self._exact_up_to = exact_up_to
        self._snapshots = snapshots or Snapshots(None)
        self._lock = ReadWriteLock()
        self._building: threading.Thread | None = None
        self._not_before = 0
        self._changed = 0.0
        self._resting: threading.Timer | None = None
        self._flat = flat
        self._rows: Rows = flat(dimension)
        self._row_ids: Ids = np.empty(0, np.int64)
        found = self._snapshots.load(dimension)
        if found is not None:
            self._row_ids, self._rows = found
        self._kept = len(self._row_ids)
        self._alive: Mask = self._row_ids >= 0
        self._sort_alive_rows()

    @property
    def form(self) -> str:
        """How it searches, in words."""
        return self._rows.form

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
            self._alive[self._places(ids)] = False
            self._append(ids, vectors)
            self._settle()

    def remove(self, ids: Ids) -> None:
        """Forget these ids; unknown ones are ignored."""
        with self._lock.writing():
            self._alive[self._places(np.asarray(ids, np.int64))] = False
            self._settle()

    def search(self, vector: FloatVector, k: int, allowed: Ids | None = None) -> Hits:
        """The k most similar by inner product, among ``allowed`` when given.

        Equal similarities are ordered by id.
        """
        # OpenMP keeps its thread count per calling thread: queries run side by side, each on
        # one core, because threads of one query fighting for cores cost more than they bring.
        faiss.omp_set_num_threads(1)
        query = np.ascontiguousarray(vector, np.float32).reshape(1, self._dimension)
        with self._lock.reading():
            scores, rows = self._nearest(query, k, allowed)
            ids = self._row_ids[rows]
        return best(ids, scores, len(ids))

    def get(self, ids: Ids) -> tuple[Ids, FloatMatrix]:
        """Those of some sorted ids that are held, with their vectors in half precision."""
        with self._lock.reading():
            rows = self._places(np.asarray(ids, np.int64))
            return self._row_ids[rows], self._rows.halves(rows).astype(np.float32)

    def ids(self) -> Ids:
        """All ids held, sorted."""
        with self._lock.reading():
            return self._sorted_ids

    def close(self) -> None:
        """Keep no snapshot from now on, not even of what is being written; it is searched as ever.

        Its timer would keep a forgotten index in memory, and write over what another has kept.
        """
        self._snapshots.close()
        with self._lock.writing():
            self._not_before = np.iinfo(np.int64).max
            if self._resting is not None:
                self._resting.cancel()
                self._resting = None

    def drop(self) -> None:
        """Forget everything."""
        self.close()
        self.remove(self.ids())
        self.wait()
        self._snapshots.drop()

    def wait(self) -> None:
        """Return when no lists are being made."""
        building = self._building
        if building is not None:
            building.join()

    def _nearest(self, query: FloatMatrix, k: int, allowed: Ids | None) -> tuple[FloatVector, Ids]:
        """Similarities and rows of the k best."""
        listed = self._rows if isinstance(self._rows, ListedRows) else None
        if listed is not None and allowed is not None and len(allowed) <= MOST_COMPARED and k > 0:
            rows = np.sort(self._places(np.asarray(allowed, np.int64)))
            if listed.compares(rows):
                return listed.compared(query, k, rows)
        searchable = self._searchable(allowed)
        found = len(self._sorted_ids) if searchable is None else int(np.count_nonzero(searchable))
        if min(k, found) <= 0:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        return self._rows.search(query, min(k, found), searchable)

    def _append(self, ids: Ids, vectors: FloatMatrix) -> None:
        self._rows.add(vectors)
        self._row_ids = np.concatenate([self._row_ids, ids])
        self._alive = np.concatenate([self._alive, np.ones(len(ids), np.bool_)])

    def _searchable(self, allowed: Ids | None) -> Mask | None:
        """Which rows a search may return, shape (rows,); ``None`` when all."""
        if allowed is None:
            return None if len(self._sorted_ids) == len(self._row_ids) else self._alive
        allowed = np.asarray(allowed, np.int64)
        if self._is_a_run:
            in_run = _flags(allowed, self._row_ids[0], self._row_ids[-1])
            in_run &= self._alive
            return in_run
        if self._slots is None or _GATHERED * len(allowed) < len(self._row_ids):
            mask = np.zeros(len(self._row_ids), np.bool_)
            mask[self._places(allowed)] = True
            return mask
        # Faster than looking many ids up one by one.
        may = _flags(allowed, self._sorted_ids[0], self._sorted_ids[-1])
        chosen: Mask = np.take(may, self._slots, mode="clip")  # no check, no copy
        chosen &= self._alive
        return chosen

    def _places(self, ids: Ids) -> Ids:
        """Rows of those of ``ids`` that are held."""
        if not len(self._sorted_ids):
            return self._sorted_rows
        places = np.minimum(np.searchsorted(self._sorted_ids, ids), len(self._sorted_ids) - 1)
        rows: Ids = self._sorted_rows[places[self._sorted_ids[places] == ids]]
        return rows

    def _settle(self) -> None:
        """After a change: renew what is derived, and see whether another form is due."""
        self._changed = time.monotonic()
        dead = len(self._alive) - int(np.count_nonzero(self._alive))
        many_dead = dead >= _COMPACT_FROM and 4 * dead >= len(self._alive)
        if many_dead and isinstance(self._rows, FlatRows) and self._building is None:
            self._rows.remove(~self._alive)
            self._row_ids = self._row_ids[self._alive]
            self._alive = np.ones(len(self._row_ids), np.bool_)
        self._sort_alive_rows()
        if self._building is None and len(self._sorted_ids) >= self._not_before:
            self._change_form(many_dead=many_dead)

    def _change_form(self, *, many_dead: bool) -> None:
        rows = self._rows
        work = None
        if isinstance(rows, FlatRows):
            if len(self._sorted_ids) > self._exact_up_to:
                work = self._list
        elif isinstance(rows, ListedRows):
            if many_dead or rows.outgrown:
                work = self._list
            elif len(rows) > (1 + _KEEP_EVERY) * self._kept:
                work = self._keep
            elif len(rows) > (1 + _KEEP_AT_REST) * self._kept and self._resting is None:
                self._look_later()
        if work is not None:
            self._begin(work)

    def _begin(self, work: Callable[[], None]) -> None:
        self._building = threading.Thread(target=self._carry_out, args=(work,), daemon=True)
        self._building.start()

    def _carry_out(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # whatever it was, the rows are searched as they were
            _log.exception("an index of %d vectors could not be written", len(self._row_ids))
            self._not_before = max(self._not_before, len(self._row_ids) * 5 // 4)
        finally:
            self._building = None

    def _list(self) -> None:
        """Put what is alive into lists; what came or went meanwhile is seen to at the end."""
        with self._lock.reading():
            seen = len(self._row_ids)
            rows = np.flatnonzero(self._alive)
            ids, halves = self._row_ids[rows], self._rows.halves(rows)
        made: Rows
        if len(ids) > self._exact_up_to:
            made = self._snapshots.make(ids, halves)
        else:
            made = self._flat(self._dimension)
            made.add(halves.astype(np.float32))
            self._snapshots.withdraw()
        with self._lock.writing():
            late = seen + np.flatnonzero(self._alive[seen:])
            late_ids, late_halves = self._row_ids[late], self._rows.halves(late)
            here = np.isin(ids, self._sorted_ids) & ~np.isin(ids, late_ids)
            self._rows, self._row_ids, self._alive = made, ids, here
            self._kept = len(ids)
            self._append(late_ids, late_halves.astype(np.float32))
            self._sort_alive_rows()
        _log.info("an index of %d vectors has a new form: %s", len(ids), made.form)

    def _keep(self) -> None:
        with self._lock.reading():
            ids = np.where(self._alive, self._row_ids, -1)
            rows = self._rows
            copied = rows.copy() if isinstance(rows, ListedRows) else None
        kept = None if copied is None else self._snapshots.keep(ids, copied)
        if kept is not None:
            with self._lock.writing():
                if isinstance(rows, ListedRows):
                    rows.moved(kept)
        self._kept = len(ids)

    def _look_later(self) -> None:
        self._resting = threading.Timer(_REST_S, self._keep_at_rest)
        self._resting.daemon = True
        self._resting.start()

    def _keep_at_rest(self) -> None:
        with self._lock.writing():
            self._resting = None
            if self._building is not None or len(self._sorted_ids) < self._not_before:
                return
            if time.monotonic() - self._changed < _REST_S:
                self._look_later()
            elif isinstance(self._rows, ListedRows):
                self._begin(self._keep)

    def _sort_alive_rows(self) -> None:
        rows = np.flatnonzero(self._alive)
        ids = self._row_ids[rows]
        if len(ids) and np.any(ids[1:] < ids[:-1]):
            order = np.argsort(ids, kind="stable")
            ids, rows = ids[order], rows[order]
        self._sorted_ids: Ids = ids
        self._sorted_ids.flags.writeable = False
        self._sorted_rows: Ids = rows
        # As ids are given out, they stand in order until the first document is replaced.
        self._is_a_run = bool(len(ids)) and bool(np.all(np.diff(self._row_ids) == 1))
        self._slots = None if self._is_a_run else self._by_row()

    def _by_row(self) -> Ids | None:
        """How far the id of each row is from the lowest; ``None`` where they lie far apart."""
        ids = self._sorted_ids
        if not len(ids) or ids[-1] - ids[0] > _SPREAD * len(self._row_ids):
            return None
        slots: Ids = np.where(self._alive, self._row_ids - ids[0], 0)
        return slots


def _flags(ids: Ids, first: np.int64, last: np.int64) -> Mask:
    """For each number from ``first`` to ``last`` whether it is one of the sorted ids."""
    start, end = np.searchsorted(ids, (first, last + 1))
    flags = np.zeros(last - first + 1, np.bool_)
    flags[ids[start:end] - first] = True
    return flags
