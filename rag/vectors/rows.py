"""Vectors by row number, searched with FAISS: all of them, or those of the nearest lists.

The second form is for more rows than can be compared with each query. Rows lie in the inverted
lists of their nearest centroids as one bit a dimension (RaBitQ, Gao and Long, 2024); the best
of the lists that are nearest to a query are then compared in half precision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import faiss
import numpy as np

from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors.probing import EVEN, Mask, Membership, probe
from rag.vectors.stored import Halves, StoredHalves

FEW, MOST_COMPARED = 2_000, 5_000
"""Up to the first so many rows, and up to the second where they lie in as few stretches, as those
of whole documents do, are compared one by one rather than looked for in lists: as fast, and exact.
What costs is reading them from so many places."""
_BLOCK = 1_000
"""So many vectors at a time stay in a core's cache."""

_COMPARED, _PROBED = 64_000, 32
"""So many lists are searched that about so many rows are compared, at least one list of so many.
Two milliseconds at 384 dimensions; recall@10 is in the README of the benchmarks."""
_DEEPER = 4
_LEAST_DEPTH = 200
_STILL_FEW, _DEPTH_OF_FEW = 20_000, 500
_NEARLY_ALL = 0.9
_MOST_OF_UNEVEN = 5
"""Times as many rows are compared at most where those that are allowed lie in some of the lists."""
_GROWN = 2.5


class Rows(Protocol):
    """Rows are numbered as they are added and stay where they are."""

    @property
    def form(self) -> str:
        """In words, for people."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def add(self, vectors: FloatMatrix) -> None:
        """Append, shape (n, dimension)."""
        ...

    def halves(self, rows: Ids) -> Halves:
        """A copy of some rows in half precision, shape (len(rows), dimension)."""
        ...

    def search(
        self, query: FloatMatrix, k: int, searchable: Mask | None
    ) -> tuple[FloatVector, Ids]:
        """Similarities and rows of the best, at most k of those that are searchable.

        Args:
            query: Shape (1, dimension).
            k: At least 1.
            searchable: Shape (rows,); ``None`` for all.
        """
        ...


class FlatRows:
    """Every search compares with every row, in single precision."""

    form = "exact"

    def __init__(self, dimension: int) -> None:
        self._index = faiss.IndexFlatIP(dimension)

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._index.ntotal)

    def add(self, vectors: FloatMatrix) -> None:
        """Append, shape (n, dimension)."""
        self._index.add(vectors)

    def halves(self, rows: Ids) -> Halves:
        """A copy of some rows in half precision, shape (len(rows), dimension)."""
        count, dimension = len(self), self._index.d
        kept = faiss.rev_swig_ptr(self._index.get_xb(), count * dimension)
        copied: Halves = kept.reshape(count, dimension)[rows].astype(np.float16)
        return copied

    def search(
        self, query: FloatMatrix, k: int, searchable: Mask | None
    ) -> tuple[FloatVector, Ids]:
        """Similarities and rows of the k best of those that are searchable; exact."""
        parameters = None
        if searchable is not None:
            parameters = faiss.SearchParameters()
            parameters.sel = _selector(searchable)
        scores, rows = self._index.search(query, k, params=parameters)
        found = rows[0] >= 0
        return scores[0][found], rows[0][found]

    def remove(self, dead: Mask) -> None:
        """Give rows up; those behind them move forward."""
        self._index.remove_ids(_selector(dead))


class ListedRows:
    """Only the lists nearest to a query are searched; more of them the fewer are searchable."""

    def __init__(
        self, lists: faiss.IndexIVFRaBitQ, halves: StoredHalves, added: Halves | None = None
    ) -> None:
        """Take lists made by ``listed`` and the vectors of their rows, in half precision.

        They lie in a file, but for those that were added since: of a million vectors a service
        needs some at a time.
        """
        self._added = np.empty((0, lists.d), np.float16) if added is None else added
        count = len(halves) + len(self._added)
        if lists.ntotal != count or lists.d != halves.dimension:
            raise ValueError(f"{lists.ntotal} rows in lists came with {count} vectors")
        self._lists = lists
        self._membership = Membership(lists)
        self._built_for = count
        self._halves = halves

    @property
    def form(self) -> str:
        """In words, for people."""
        return f"{self._lists.nlist} inverted lists, refined from half precision"

    @property
    def outgrown(self) -> bool:
        """Whether there are so many more rows that the lists should be made anew."""
        return len(self) > _GROWN * self._built_for

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._lists.ntotal)

    def add(self, vectors: FloatMatrix) -> None:
        """Append, shape (n, dimension)."""
        held = len(self) - len(self._halves)
        if held + len(vectors) > len(self._added):
            room = np.empty((max(held * 5 // 4, held + len(vectors)), self._lists.d), np.float16)
            room[:held] = self._added[:held]
            self._added = room
        self._added[held : held + len(vectors)] = vectors
        self._membership.add(self._lists, vectors)
        self._lists.add(vectors)

    def halves(self, rows: Ids) -> Halves:
        """A copy of some rows in half precision, shape (len(rows), dimension)."""
        first = len(self._halves)
        if len(self) == first:
            return self._halves[rows]
        later = rows >= first
        copied: Halves = np.empty((len(rows), self._lists.d), np.float16)
        copied[~later] = self._halves[rows[~later]]
        copied[later] = self._added[rows[later] - first]
        return copied

    def search(
        self, query: FloatMatrix, k: int, searchable: Mask | None
    ) -> tuple[FloatVector, Ids]:
        """Similarities and rows of the k best of those that are searchable, nearly exact."""
        count = len(self) if searchable is None else int(np.count_nonzero(searchable))
        if count <= MOST_COMPARED:
            rows = np.arange(count) if searchable is None else np.flatnonzero(searchable)
            if self.compares(rows):
                return self.compared(query, k, rows)
        return self.compared(query, k, self._nearest(query, k, count, searchable))

    def compares(self, rows: Ids) -> bool:
        """Whether these rows, sorted, are compared one by one."""
        return len(rows) <= FEW or int(np.count_nonzero(np.diff(rows) != 1)) < FEW

    def compared(self, query: FloatMatrix, k: int, rows: Ids) -> tuple[FloatVector, Ids]:
        """The k best of some rows; FAISS multiplies half precision as it is."""
        scores, best = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
        for start in range(0, len(rows), _BLOCK):
            some = rows[start : start + _BLOCK]
            block = faiss.IndexScalarQuantizer(
                self._lists.d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
            )
            block.add_sa_codes(self.halves(some).view(np.uint8))
            found, places = block.search(query, min(k, len(some)))
            scores.append(found[0])
            best.append(some[places[0]])
        of_all, of_rows = np.concatenate(scores), np.concatenate(best)
        order = np.lexsort((of_rows, -of_all))[:k]
        return of_all[order], of_rows[order]

    def copy(self) -> ListedRows:
        """The rows as they are now, which others may write while these change.

        Vectors stay where they are: they are only ever added.
        """
        lists = _lists(faiss.clone_index(self._lists))
        return ListedRows(lists, self._halves, self._added[: len(self) - len(self._halves)])

    def save(self, lists: Path, halves: Path) -> None:
        """Write the lists, and the vectors a few at a time."""
        faiss.write_index(self._lists, str(lists))
        shape = {"descr": "<f2", "fortran_order": False, "shape": (len(self), self._lists.d)}
        with halves.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, shape)
            for start in range(0, len(self), _AT_ONCE):
                file.write(self.halves(np.arange(start, min(start + _AT_ONCE, len(self)))).data)

    def moved(self, halves: StoredHalves) -> None:
        """The vectors of the first rows lie there now, in a file, and need not be held."""
        later = np.arange(len(halves), len(self))
        self._halves, self._added = halves, self.halves(later)

    def _nearest(self, query: FloatMatrix, k: int, count: int, searchable: Mask | None) -> Ids:
        lists = self._lists.nlist
        compared = max(_COMPARED, len(self) // _PROBED)
        # Where few rows of a list can be searched, the nearest of them lie in more lists, but not
        # nearly in as many more as there are fewer rows.
        spread = np.cbrt(max(1.0, _NEARLY_ALL * len(self) / count))
        # Few rows may all be far from the query, and about as far: the codes tell them less apart.
        deeper = min(count // 10, _DEPTH_OF_FEW) if count <= _STILL_FEW else 0
        depth = min(count, max(_DEEPER * k, _LEAST_DEPTH, deeper))
        if searchable is not None and count < _NEARLY_ALL * len(self):
            evenness = self._membership.evenness(searchable, count)
            if evenness < EVEN:
                sizes = self._membership.sizes_of_holders(searchable)
                most = compared * max(spread, min(_MOST_OF_UNEVEN, spread / evenness))
                depth = min(count, max(depth, _DEPTH_OF_FEW))
                rows = probe(self._lists, query, depth, sizes, most, _selector(searchable))
                if len(rows) >= min(k, count):
                    return rows
        parameters = faiss.SearchParametersIVF()
        if searchable is not None:
            parameters.sel = _selector(searchable)
        for probed in (min(lists, int(np.ceil(lists * compared / len(self) * spread))), lists):
            parameters.nprobe = probed
            rows = self._lists.search(query, depth, params=parameters)[1][0]
            rows = rows[rows >= 0]
            if len(rows) >= min(k, count):
                break
        nearest: Ids = rows
        return nearest


def listed(halves: Halves, *, seed: int = 0) -> faiss.IndexIVFRaBitQ:
    """Train lists on a sample of the vectors and put all of them in."""
    count, dimension = halves.shape
    lists = 1 << max(4, round(np.log2(4 * np.sqrt(count))))
    quantizer = faiss.IndexFlatIP(dimension)
    index = faiss.IndexIVFRaBitQ(quantizer, dimension, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.spherical, index.cp.niter, index.cp.seed = True, 8, seed + 1
    most = min(count, 64 * lists)
    chosen = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    index.train(halves[chosen].astype(np.float32))
    for start in range(0, count, _AT_ONCE):
        index.add(halves[start : start + _AT_ONCE].astype(np.float32))
    return index


_AT_ONCE = 50_000


def read_lists(path: Path) -> faiss.IndexIVFRaBitQ:
    """The lists in a file that is known to be whole.

    Raises:
        ValueError: It holds something else.
    """
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path} holds no index") from error
    return _lists(index)


def _lists(index: faiss.Index) -> faiss.IndexIVFRaBitQ:
    if not isinstance(index, faiss.IndexIVFRaBitQ):
        raise ValueError("an index of another kind")
    return index


class _Selector(faiss.IDSelectorBitmap):
    """Keeps the bits alive, to which FAISS only points."""

    def __init__(self, mask: Mask) -> None:
        self._bits = np.packbits(mask, bitorder="little")
        super().__init__(len(mask), faiss.swig_ptr(self._bits))


def _selector(mask: Mask) -> _Selector:
    return _Selector(mask)
