"""OpenDocument spreadsheets: each sheet is a page; see sheets.py for how it is written.

Cells hold their text as it is shown. The content is walked twice: first for the names of the
sheets and which are hidden, then row by row, so that a sheet of any length takes no memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest.parse.odf import CONTENT, opened_odf, repeated, text, title
from ingest.parse.package import Package, attribute, each, first, local, own
from ingest.parse.parts import Part
from ingest.parse.sheets import Ending, Row, SheetWriter, reference
from ingest.parse.xlsx_sheet import comment
from rag.errors import EmptyDocument

_ROWS, _COLUMNS = 1 << 20, 1 << 14
_MOST_BESIDE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A sheet as its workbook lists it."""

    name: str
    hidden: bool


@dataclass(slots=True)
class _Sheet:
    """A sheet that is being read."""

    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def ending(self) -> Ending:
        return Ending(merged=self.merged, paragraphs=self.comments)


def parse(path: Path) -> Iterator[Part]:
    """Some parts per sheet, then one with title and warnings.

    Raises:
        CorruptDocument: The archive or its XML is damaged.
        EncryptedDocument: It is locked with a password.
        ParserLimit: A part expands beyond what is read.
        EmptyDocument: No sheet contains anything.
    """
    with opened_odf(path, "OpenDocument spreadsheet") as package:
        listed = list(_listed(package))
        writer, nodes = SheetWriter(), _rows_and_ends(package)
        for number, entry in enumerate(listed, 1):
            sheet = _Sheet()
            yield from writer.sheet(
                entry.name,
                _rows(nodes, sheet),
                sheet.ending,
                last=number == len(listed),
                hidden=entry.hidden,
            )
        if not writer.said_anything:
            raise EmptyDocument("the spreadsheet contains nothing but the names of its sheets")
        yield Part(title=title(package) or writer.title, warnings=tuple(writer.warnings()))


def _listed(package: Package) -> Iterator[_Listed]:
    hidden: set[str | None] = set()
    for node in package.elements(CONTENT, "style", "table-row", "table"):
        if local(node) == "style":
            properties = first(node, "table-properties")
            if properties is not None and attribute(properties, "display") == "false":
                hidden.add(attribute(node, "name"))
        elif local(node) == "table" and _is_sheet(node):
            yield _Listed(
                name=attribute(node, "name") or "",
                hidden=attribute(node, "style-name") in hidden,
            )


def _rows_and_ends(package: Package) -> Iterator[Any]:
    """Rows of sheets, and each sheet itself where it ends."""
    for node in package.elements(CONTENT, "table-row", "table"):
        sheet = node if local(node) == "table" else next(node.iterancestors("{*}table"), None)
        if sheet is not None and _is_sheet(sheet):
            yield node


def _is_sheet(table: Any) -> bool:
    # Others are inside of shapes and cells, or remember what was changed.
    parent = table.getparent()
    return parent is not None and local(parent) == "spreadsheet"


def _rows(nodes: Iterator[Any], sheet: _Sheet) -> Iterator[Row]:
    number = 0
    for node in nodes:
        if local(node) == "table":
            return
        count = repeated(node, "number-rows-repeated", _ROWS)
        cells = list(_cells(node, number, sheet))
        if cells:
            for again in range(min(count, _ROWS - number)):
                yield number + again, cells
        number += count


def _cells(node: Any, row: int, sheet: _Sheet) -> Iterator[tuple[int, str]]:
    column = 0
    for cell in own(node, "table-cell", "covered-table-cell"):
        count = repeated(cell, "number-columns-repeated", _COLUMNS)
        words = "\n".join(text(one) for one in own(cell, "p"))
        if not words and not len(cell):
            words = _value(cell)
        if words.strip():
            for place in range(column, min(column + count, _COLUMNS)):
                yield place, words
        _beside(cell, row, column, sheet)
        column += count


def _value(cell: Any) -> str:
    for name in ("string-value", "date-value", "time-value", "boolean-value", "value"):
        value = attribute(cell, name)
        if value is not None:
            return value
    return ""


def _beside(cell: Any, row: int, column: int, sheet: _Sheet) -> None:
    wide = repeated(cell, "number-columns-spanned", _COLUMNS)
    high = repeated(cell, "number-rows-spanned", _ROWS)
    if (wide > 1 or high > 1) and len(sheet.merged) < _MOST_BESIDE:
        sheet.merged.append((row, column, row + high - 1, column + wide - 1))
    for note in own(cell, "annotation"):
        if len(sheet.comments) < _MOST_BESIDE:
            author = first(note, "creator")
            words = " ".join(text(one) for one in each(note, "p"))
            name = "" if author is None else author.text or ""
            sheet.comments.append(comment(reference(row, column), name, words))
