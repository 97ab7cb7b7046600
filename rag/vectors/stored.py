"""Vectors that stay in their file, also when it is renamed or removed."""

from __future__ import annotations

import mmap
import os
import weakref
from itertools import repeat
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.types import Ids

Halves: TypeAlias = NDArray[np.float16]

_FEW = 1_000
"""So many rows are read, those that lie side by side at once. Mapped pages come to count as
memory of the service, as Linux brings up to 2 MB for a row the whole file after a few searches; to
give them back and have them mapped again takes longer than reading."""


class StoredHalves:
    """Rows of a file of numpy, in half precision. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            ValueError: It holds something else.
        """
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, by_column, kind = np.lib.format.read_array_header_1_0(file)
            if len(shape) != 2 or by_column or kind != np.float16:
                raise ValueError(f"{path} holds no vectors in half precision")
            self._start = file.tell()
            self._file = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._file)
            self._map = mmap.mmap(self._file, 0, access=mmap.ACCESS_READ)
        self._count, self.dimension = int(shape[0]), int(shape[1])

    def __len__(self) -> int:
        """Number of rows."""
        return self._count

    def __getitem__(self, rows: Ids) -> Halves:
        """A copy of some rows."""
        size = 2 * self.dimension
        if len(rows) <= _FEW and hasattr(os, "pread"):
            firsts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
            sizes = (size * np.diff(firsts, append=len(rows))).tolist()
            places = (self._start + size * rows[firsts]).tolist()
            parts = map(os.pread, repeat(self._file), sizes, places)
            read = bytearray().join(parts)
            return np.frombuffer(read, np.float16).reshape(len(rows), self.dimension)
        mapped = np.frombuffer(self._map, np.float16, self._count * self.dimension, self._start)
        copied: Halves = mapped.reshape(self._count, self.dimension)[rows]
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
        return copied
