"""Rows that a GPU compares, exactly; what may not be found is kept from the results here.

The card holds a copy of all rows. It knows no tombstones and no filters: more is asked of it
than is wanted, and where that is not enough, this process compares the rows that are left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import faiss
import numpy as np

from rag.errors import ConfigurationError, MissingExtra
from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors.probing import Mask
from rag.vectors.rows import FlatRows

Card: TypeAlias = Callable[[int], Any]
"""Makes an empty FAISS index of inner products, of some dimension, on a card."""

_MOST = 2_048
"""What FAISS finds on a card in one search."""
_SPARE = 32


class GpuRows(FlatRows):
    """Every search compares with every row, on the card. Thread-safe: one search at a time."""

    form = "exact, on a GPU"

    def __init__(self, dimension: int, card: Card) -> None:
        super().__init__(dimension)
        self._copy = card(dimension)
        self._card_is_free = threading.Lock()

    def add(self, vectors: FloatMatrix) -> None:
        """Append, shape (n, dimension)."""
        super().add(vectors)
        self._copy.add(vectors)

    def remove(self, dead: Mask) -> None:
        """Give rows up; those behind them move forward."""
        super().remove(dead)
        self._copy.reset()
        if len(self):
            self._copy.add(self._index.reconstruct_n(0, len(self)))

    def search(
        self, query: FloatMatrix, k: int, searchable: Mask | None
    ) -> tuple[FloatVector, Ids]:
        """Similarities and rows of the k best of those that are searchable; exact."""
        count = len(self) if searchable is None else int(np.count_nonzero(searchable))
        wanted = k if searchable is None else _SPARE + 2 * k * len(self) // max(1, count)
        if wanted > _MOST:
            return super().search(query, k, searchable)
        with self._card_is_free:
            scores, rows = self._copy.search(query, min(wanted, len(self)))
        found = rows[0] >= 0 if searchable is None else searchable[rows[0]]
        if np.count_nonzero(found) < min(k, count):
            return super().search(query, k, searchable)
        return scores[0][found][:k], rows[0][found][:k]


def open_card() -> Card:
    """The first card that may be seen.

    Raises:
        MissingExtra: FAISS is here in its build for processors.
        ConfigurationError: there is no card.
    """
    if not hasattr(faiss, "StandardGpuResources"):
        raise MissingExtra(
            "IBIDEM_INDEX=faiss-gpu needs the build of FAISS for GPUs: pip uninstall faiss-cpu, "
            "then pip install faiss-gpu-cu12. Or set IBIDEM_INDEX=faiss."
        )
    if not faiss.get_num_gpus():
        raise ConfigurationError(
            "IBIDEM_INDEX=faiss-gpu, and FAISS sees no GPU here: see whether nvidia-smi lists one "
            "and CUDA_VISIBLE_DEVICES hides none. Or set IBIDEM_INDEX=faiss."
        )
    resources = faiss.StandardGpuResources()
    return lambda dimension: faiss.GpuIndexFlatIP(resources, dimension)
