"""Old Excel workbooks (XLS), through xlrd: each sheet is a page; see sheets.py."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xlrd
from xlrd.compdoc import CompDocError

from ingest.parse.number_format import format_number
from ingest.parse.package import locked
from ingest.parse.parts import Part
from ingest.parse.sheets import Ending, Row, SheetWriter, reference
from ingest.parse.xlsx_sheet import comment
from rag.errors import CorruptDocument, EmptyDocument

_MOST_MERGED = 10_000
# What xlrd raises at damaged bytes.
_DAMAGED = (
    xlrd.XLRDError, CompDocError, struct.error, AssertionError, IndexError, KeyError, ValueError,
)  # fmt: skip


def parse(path: Path) -> Iterator[Part]:
    """Some parts per sheet, then one with title and warnings.

    Raises:
        CorruptDocument: The file is damaged.
        EncryptedDocument: It is locked with a password.
        EmptyDocument: No sheet contains anything.
    """
    book, writer = _opened(path), SheetWriter()
    try:
        for number in range(book.nsheets):
            sheet = _Sheet(book, number)
            yield from writer.sheet(
                book.sheet_names()[number],
                sheet.rows(),
                sheet.ending,
                last=number == book.nsheets - 1,
                hidden=sheet.hidden,
            )
            book.unload_sheet(number)
    except _DAMAGED as error:
        raise CorruptDocument("the workbook is damaged: a sheet cannot be read") from error
    if not writer.said_anything:
        raise EmptyDocument("the workbook contains nothing but the names of its sheets")
    yield Part(title=writer.title, warnings=tuple(writer.warnings()))


def _opened(path: Path) -> Any:
    try:
        # Ragged: a row ends with its last cell, however wide the sheet claims to be.
        return xlrd.open_workbook(
            str(path), logfile=io.StringIO(), formatting_info=True, on_demand=True, ragged_rows=True
        )
    except _DAMAGED as error:
        if "encrypted" in str(error):
            raise locked("workbook") from error
        raise CorruptDocument("the workbook is damaged: it cannot be opened") from error


class _Sheet:
    """One sheet, its cells as shown."""

    def __init__(self, book: Any, number: int) -> None:
        self._book = book
        self._sheet = book.sheet_by_index(number)
        self.hidden = self._sheet.visibility != 0

    def rows(self) -> Iterator[Row]:
        """Rows with cells that are not empty, in order."""
        for row in range(self._sheet.nrows):
            cells = self._sheet.row(row)
            shown = ((column, self._shown(cell)) for column, cell in enumerate(cells))
            texts = [(column, text) for column, text in shown if text.strip()]
            if texts:
                yield row, texts

    def ending(self) -> Ending:
        """Merged cells and comments."""
        merged = self._sheet.merged_cells[:_MOST_MERGED]
        return Ending(
            merged=[(top, left, bottom - 1, right - 1) for top, bottom, left, right in merged],
            paragraphs=[
                comment(reference(row, column), note.author or "", note.text or "")
                for (row, column), note in sorted(self._sheet.cell_note_map.items())
            ],
        )

    def _shown(self, cell: Any) -> str:
        if cell.ctype == xlrd.XL_CELL_TEXT:
            return str(cell.value)
        if cell.ctype in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE):
            return format_number(
                cell.value, self._code(cell.xf_index), from_1904=self._book.datemode == 1
            )
        if cell.ctype == xlrd.XL_CELL_BOOLEAN:
            return "TRUE" if cell.value else "FALSE"
        if cell.ctype == xlrd.XL_CELL_ERROR:
            return str(xlrd.error_text_from_code.get(cell.value, "#ERROR"))
        return ""

    def _code(self, style: int | None) -> str:
        try:
            key = self._book.xf_list[style].format_key
            return str(self._book.format_map[key].format_str)
        except (IndexError, KeyError, TypeError):
            return "General"
