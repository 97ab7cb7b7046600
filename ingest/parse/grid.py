"""Where the cells of a table stand when some cover several rows or columns."""

from __future__ import annotations

from rag.types import TableCell

_WIDEST = 1000
"""As in browsers: a cell covers no more columns."""


class Grid:
    """Gives each cell its row and column; ``cells`` are filled by who writes them."""

    def __init__(self) -> None:
        self.cells: list[TableCell] = []
        self._row = -1
        self._column = 0
        self._covered: dict[int, int] = {}  # column -> last row that a cell above covers

    def next_row(self) -> None:
        """Begin a row."""
        self._row += 1
        self._column = 0

    def place(self, rows: int, columns: int) -> tuple[int, int]:
        """Row and column of the next cell, which covers so many."""
        row = max(0, self._row)
        while self._covered.get(self._column, -1) >= row:
            self._column += 1
        at = self._column
        self._column += min(columns, _WIDEST)
        if rows > 1:
            for column in range(at, self._column):
                self._covered[column] = row + rows - 1
        return row, at
