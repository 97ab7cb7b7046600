"""Sheets of a workbook to text, whatever file they come from: each sheet is a page.

A sheet is its name as a heading, then its rows as lines with tabs between cells, then what
else is on it. Rows without a row between them are one table; a cell alone is a paragraph.
Columns that are empty so far in a table have no tab. Cells are told apart by their place in the
sheet, (0, 0) being A1, so that a place can be named as the program shows it; a merged cell
stands at each place that it covers.

Written as it is read, some rows at a time: what a sheet claims to be large costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ingest.parse.encoding import storable
from ingest.parse.listing import listed
from ingest.parse.parts import Part
from rag.types import Block, BlockKind, Page, TableCell

MOST_CELLS = 50_000
"""Cells told apart in one workbook; the rows after them are tables of plain lines."""

_BETWEEN_SHEETS = "\n\n"
_WINDOW_ROWS = 1_000
_WINDOW_CHARACTERS = 1 << 18
_ALWAYS_ALIGNED = 64
_SPARSE = 4
_MOST_COVERED = 10_000
_DEFAULT_NAME = re.compile(r"(?:[^\W\d_]+|[^\W\d_]+ )?\d{1,3}")
_MOST_NAMED = 10

Row = tuple[int, Sequence[tuple[int, str]]]
"""Number of a row from 0, and its cells that are not empty: column from 0, and text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is known once the rows of a sheet are read.

    ``merged`` are rectangles of merged cells: first row and column, last row and column.
    """

    merged: Sequence[tuple[int, int, int, int]] = ()
    paragraphs: Sequence[str] = ()


@dataclass(slots=True)
class _Table:
    """A table that is being written."""

    start: int
    columns: set[int] = field(default_factory=set)
    cells: list[TableCell] = field(default_factory=list)
    count: int = 0


class SheetWriter:
    """Writes the sheets of one workbook, in order."""

    def __init__(self) -> None:
        self._number = 0
        self._length = 0
        self._pieces: list[str] = []
        self._blocks: list[Block] = []
        self._left = MOST_CELLS
        self._plain = False
        self._names: list[str] = []
        self._hidden: list[str] = []
        self._empty: list[str] = []

    @property
    def said_anything(self) -> bool:
        """Whether any sheet had more than its name."""
        return len(self._empty) < self._number

    @property
    def title(self) -> str | None:
        """Name of the first sheet, unless a program gave it."""
        name = next(iter(self._names), "")
        return storable(name) if name and not _DEFAULT_NAME.fullmatch(name) else None

    def sheet(
        self,
        name: str,
        rows: Iterable[Row],
        ending: Callable[[], Ending],
        *,
        last: bool,
        hidden: bool = False,
    ) -> Iterator[Part]:
        """The next sheet in as many parts as it takes; the last of them has the page."""
        self._number += 1
        name = " ".join(name.split()) or f"Sheet {self._number}"
        self._names.append(name)
        if hidden:
            self._hidden.append(name)
        start = self._length
        self._put(name)
        heading = Block(kind=BlockKind.HEADING, start=start, end=self._length, level=1)
        self._blocks = [heading]
        named = self._length
        tables: list[_Table] = []
        for opens, window in _windows(rows):
            self._window(window, tables, opens=opens)
            yield self._part()
        self._close(tables)
        more = ending()
        self._cover(more.merged)
        for paragraph in more.paragraphs:
            self._put(f"\n\n{paragraph.strip()}")
        if self._length == named:
            self._empty.append(name)
        self._put("" if last else _BETWEEN_SHEETS)
        page = Page(number=self._number, start=start, end=self._length, width=0.0, height=0.0)
        yield self._part(page)

    def warnings(self) -> Iterator[str]:
        """What a reader of the text should know."""
        if self._hidden:
            yield f"hidden in the workbook, but read: {_named(self._hidden)}"
        if self._empty:
            yield f"empty: {_named(self._empty)}"
        if self._plain:
            yield f"cells are told apart up to {MOST_CELLS:,}; the rows after them are plain lines"

    def _put(self, text: str) -> None:
        text = storable(text)
        self._pieces.append(text)
        self._length += len(text)

    def _part(self, page: Page | None = None) -> Part:
        text, self._pieces = "".join(self._pieces), []
        if page is None:
            return Part(text=text)
        return Part(text=text, pages=(page,), blocks=tuple(self._blocks))

    def _window(self, rows: Sequence[Row], tables: list[_Table], *, opens: bool) -> None:
        if opens or self._left <= 0 < len(tables[-1].cells):
            self._close(tables)
            self._put("\n\n" if opens else "\n")
            tables.append(_Table(start=self._length))
        else:
            self._put("\n")
        table = tables[-1]
        table.columns.update(column for _, cells in rows for column, _ in cells)
        columns = sorted(table.columns)
        for index, (row, cells) in enumerate(rows):
            self._put("\n" if index else "")
            self._line(table, row, cells, columns)

    def _line(
        self, table: _Table, row: int, cells: Sequence[tuple[int, str]], columns: Sequence[int]
    ) -> None:
        texts = dict(cells)
        wide = len(columns) > max(_ALWAYS_ALIGNED, _SPARSE * len(texts))
        places = sorted(texts) if wide else [c for c in columns if c <= max(texts)]
        table.count += len(texts)
        pieces, at = [], self._length
        for column in places:
            text = " ".join(texts.get(column, "").split())
            pieces.append(text)
            if text and self._left > 0:
                self._left -= 1
                cell = TableCell(row=row, column=column, start=at, end=at + len(text))
                table.cells.append(cell)
            at += len(text) + 1
        self._plain |= self._left <= 0
        self._put("\t".join(pieces))

    def _close(self, tables: Sequence[_Table]) -> None:
        if tables and tables[-1].count > 1:
            table = tables[-1]
            block = Block(
                kind=BlockKind.TABLE,
                start=table.start,
                end=self._length,
                cells=tuple(table.cells),
            )
            self._blocks.append(block)

    def _cover(self, merged: Sequence[tuple[int, int, int, int]]) -> None:
        """Merged cells stand at all their places, as far as the table around them reaches."""
        if not merged:
            return
        for index, block in enumerate(self._blocks):
            at = {(cell.row, cell.column): cell for cell in block.cells}
            if not at:
                continue
            most = max(row for row, _ in at), max(column for _, column in at)
            for top, left, bottom, right in merged:
                cell = at.get((top, left))
                if cell is not None and len(at) < len(block.cells) + _MOST_COVERED:
                    for row in range(top, min(bottom, most[0]) + 1):
                        for column in range(left, min(right, most[1]) + 1):
                            covered = TableCell(
                                row=row, column=column, start=cell.start, end=cell.end
                            )
                            at.setdefault((row, column), covered)
            cells = tuple(at[place] for place in sorted(at))
            self._blocks[index] = Block(
                kind=block.kind, start=block.start, end=block.end, cells=cells
            )


def reference(row: int, column: int) -> str:
    """A cell's name as programs show it: (0, 0) is A1."""
    letters, rest = "", column + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row + 1}"


def _windows(rows: Iterable[Row]) -> Iterator[tuple[bool, list[Row]]]:
    """Some neighbouring rows at a time, and whether a table opens with them."""
    window: list[Row] = []
    opens, size = True, 0
    for row in rows:
        if not row[1]:
            continue
        apart = bool(window) and row[0] != window[-1][0] + 1
        if apart or len(window) >= _WINDOW_ROWS or size > _WINDOW_CHARACTERS:
            yield opens, window
            window, size, opens = [], 0, apart
        window.append(row)
        size += sum(len(text) for _, text in row[1])
    if window:
        yield opens, window


def _named(names: Sequence[str]) -> str:
    shown = [f"'{storable(name)[:40]}'" for name in names[:_MOST_NAMED]]
    if len(names) > _MOST_NAMED:
        shown.append(f"{len(names) - _MOST_NAMED} more")
    return f"sheet{'s' if len(names) > 1 else ''} {listed(shown)}"
