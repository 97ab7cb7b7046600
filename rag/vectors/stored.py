"""Vectors that stay in their file, also when it is renamed or removed."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.types import Ids

Halves: TypeAlias = NDArray[np.float16]

_MOST_LOOKED_AT = 300
"""After so many rows the pages around them are given back: the system keeps what it has room for
and finds it again in microseconds. As Linux brings up to 2 MB for a row, a few searches would
have the whole file count as memory of the service."""


class StoredHalves:
    """Rows of a file of numpy, in half precision. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Map the file.

        Raises:
            ValueError: It holds something else.
        """
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, by_column, kind = np.lib.format.read_array_header_1_0(file)
            if len(shape) != 2 or by_column or kind != np.float16:
                raise ValueError(f"{path} holds no vectors in half precision")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._rows: Halves = np.frombuffer(
                self._map, kind, count=shape[0] * shape[1], offset=file.tell()
            ).reshape(shape)
        self.dimension = int(shape[1])
        self._looked_at = 0

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def __getitem__(self, rows: Ids) -> Halves:
        """A copy of some rows."""
        copied: Halves = self._rows[rows]
        self._looked_at += len(copied)
        if self._looked_at > _MOST_LOOKED_AT and hasattr(mmap, "MADV_DONTNEED"):
            self._looked_at = 0
            self._map.madvise(mmap.MADV_DONTNEED)
        return copied
