"""Builds the text of formats without lines of their own, and the blocks as spans of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ingest.parse.encoding import storable
from rag.types import Block, BlockKind, TableCell

CELL = " | "
_LONGEST_TITLE = 300
_SPACE = re.compile(r"\s+")


class Flow:
    """Text written piece by piece. Breaks are owed until text follows, so none is left over."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._pieces: list[str] = []
        self._length = 0
        self._breaks = 0
        self._space = False
        self._opening: list[list[int]] = []  # blocks that wait for their first text

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(self._pieces)

    def first_heading(self) -> str | None:
        """Text of the first heading, for documents without a title of their own."""
        for block in self.blocks:
            if block.kind is BlockKind.HEADING:
                return storable(self.text[block.start : block.end][:_LONGEST_TITLE])
        return None

    def write(self, text: str) -> None:
        """Add running text; any white space in it counts as one space."""
        collapsed = _SPACE.sub(" ", text)
        if collapsed.startswith(" "):
            self._space = True
        words = collapsed.strip()
        if not words:
            return
        self._settle()
        self._put(words)
        self._space = collapsed.endswith(" ")

    def verbatim(self, text: str) -> None:
        """Add text whose white space matters, but for blank lines around it."""
        cleaned = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()
        if cleaned:
            self._settle()
            self._put(cleaned)
            self._space = text[-1:].isspace()

    def table(self, rows: Iterable[Sequence[str | None]]) -> None:
        """Add a table: a line for each row that says anything, and where its cells stand.

        ``None`` is a place that the cell before it covers, too.
        """
        cells: list[TableCell] = []
        with self.block(BlockKind.TABLE, cells=cells):
            for row, columns in enumerate(rows):
                texts = [text if text is None else " ".join(text.split()) for text in columns]
                if not any(texts):
                    continue
                self.newline()
                self._settle()
                for column, text in enumerate(texts):
                    if text is None:
                        continue
                    if column:
                        self._put(CELL)
                    end = self._length + len(text)
                    cells.append(TableCell(row=row, column=column, start=self._length, end=end))
                    self._put(text)

    @contextmanager
    def cell(self, cells: list[TableCell], row: int, column: int) -> Iterator[None]:
        """What is written inside is a cell of the open table; an empty one stands at its place."""
        start = [self._length]
        self._opening.append(start)
        yield
        # By identity: marks that wait for the same text are equal.
        if any(mark is start for mark in self._opening):
            self._opening = [mark for mark in self._opening if mark is not start]
            start[0] = self._length
        cells.append(TableCell(row=row, column=column, start=start[0], end=self._length))

    def newline(self, count: int = 1) -> None:
        """Owe at least so many line feeds before the next text."""
        self._breaks = max(self._breaks, count)
        self._space = False

    @contextmanager
    def block(
        self, kind: BlockKind, level: int = 0, cells: Sequence[TableCell] = ()
    ) -> Iterator[None]:
        """What is written inside is one block, with its own paragraph.

        ``cells`` may be a list that is filled meanwhile.
        """
        self.newline(2)
        place, start = len(self.blocks), [self._length]
        self._opening.append(start)
        yield
        if any(mark is start for mark in self._opening):
            self._opening = [mark for mark in self._opening if mark is not start]
        elif self._length > start[0]:
            # Empty cells before the first text stand where it begins.
            within = tuple(c if c.start >= start[0] else _moved(c, start[0]) for c in cells)
            block = Block(kind=kind, start=start[0], end=self._length, level=level, cells=within)
            self.blocks.insert(place, block)
        self.newline(2)

    def _settle(self) -> None:
        if self._breaks and self._length:
            self._put("\n" * self._breaks)
        elif self._space and self._length:
            self._put(" ")
        self._breaks, self._space = 0, False
        for start in self._opening:
            start[0] = self._length
        self._opening.clear()

    def _put(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)


def _moved(cell: TableCell, place: int) -> TableCell:
    return replace(cell, start=place, end=max(place, cell.end))
