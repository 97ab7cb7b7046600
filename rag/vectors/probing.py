"""Which inverted lists to search where only some rows may be found.

What a filter allows is often alike: the reports of one company, the documents on one matter. Then
few of the lists hold it, the lists nearest to a query may hold none of it, and the best of what is
allowed are about as far from the query as the others, so that more of them have to be compared.
"""

from __future__ import annotations

from typing import TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.types import FloatMatrix, Ids

Mask: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[np.uint16]

EVEN = 0.75
"""From this evenness on rows count as spread over all lists."""
_SAMPLED = 4_096


class Membership:
    """In which list each row lies, and how many rows each list has."""

    def __init__(self, index: faiss.IndexIVF) -> None:
        """Read it from the lists of an index."""
        self.numbers: Numbers = np.zeros(index.ntotal, np.uint16)
        self.sizes: Ids = np.zeros(index.nlist, np.int64)
        lists = index.invlists
        assert lists is not None  # noqa: S101 - only other kinds of indexes have none
        for number in range(index.nlist):
            size = lists.list_size(number)
            if size:
                rows = faiss.rev_swig_ptr(lists.get_ids(number), size)
                self.numbers[rows] = number
                self.sizes[number] = size

    def add(self, index: faiss.IndexIVF, vectors: FloatMatrix) -> None:
        """Note where rows that are being added will lie."""
        numbers = index.quantizer.search(vectors, 1)[1][:, 0]
        self.numbers = np.concatenate([self.numbers, numbers.astype(np.uint16)])
        self.sizes = self.sizes + np.bincount(numbers, minlength=len(self.sizes))

    def evenness(self, searchable: Mask, count: int) -> float:
        """How evenly the searchable rows lie in all lists; of many a part is looked at.

        1 where they were chosen at random and, where few lists have all of them, the share of all
        rows that these lists have: the inverse of Simpson's index of concentration, by its unbiased
        estimate ("Measurement of Diversity", Nature 163, 1949).
        """
        step = max(1, count // _SAMPLED)
        numbers = self.numbers[::step][searchable[::step]]
        held = np.bincount(numbers, minlength=len(self.sizes))
        together = float((held * (held - 1) / np.maximum(self.sizes, 1)).sum())
        if not together:
            return 1.0
        return min(1.0, len(numbers) ** 2 / (len(self.numbers) * together))

    def sizes_of_holders(self, searchable: Mask) -> Ids:
        """The sizes of the lists that have searchable rows, and 0 for the others."""
        held = np.bincount(self.numbers[np.flatnonzero(searchable)], minlength=len(self.sizes))
        sizes: Ids = np.where(held, self.sizes, 0)
        return sizes


def probe(
    index: faiss.IndexIVF,
    query: FloatMatrix,
    depth: int,
    sizes: Ids,
    most: float,
    selector: faiss.IDSelector,
) -> Ids:
    """The best rows of those of some lists that are nearest to the query.

    Args:
        index: What has the lists.
        query: Shape (1, dimension).
        depth: Most rows.
        sizes: Of each list its number of rows; 0 for those that are left out.
        most: The nearest lists are searched until they have so many rows.
        selector: Which rows.
    """
    similar, numbers = index.quantizer.search(query, index.nlist)
    before = np.cumsum(sizes[numbers[0]]) - sizes[numbers[0]]
    chosen = np.flatnonzero((sizes[numbers[0]] > 0) & (before < most))
    parameters = faiss.SearchParametersIVF()
    parameters.sel, parameters.nprobe = selector, len(chosen)
    near = np.ascontiguousarray(numbers[:, chosen])
    likeness = np.ascontiguousarray(similar[:, chosen])
    scores, found = np.empty((1, depth), np.float32), np.empty((1, depth), np.int64)
    index.search_preassigned_c(  # type: ignore[attr-defined]  # wrapped without parameters
        1,
        faiss.swig_ptr(np.ascontiguousarray(query)),
        depth,
        *map(faiss.swig_ptr, (near, likeness, scores, found)),
        False,
        parameters,
    )
    nearest: Ids = found[0][found[0] >= 0]
    return nearest
