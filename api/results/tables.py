"""Results as tables: CSV, and XLSX written as it comes."""

from __future__ import annotations

import csv
import io
import math
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from xml.sax.saxutils import escape

from api.results.entries import Cell, Entry

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MOST_IN_CELL = 32_767
"""Characters that a cell of a sheet holds."""
_PIECE = 1 << 16
_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
"""What XML has no way to write."""
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_PARTS: Mapping[str, str] = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType='
    '"application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Results" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
}
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def as_csv(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Comma-separated UTF-8 with a byte order mark, by which sheets know it.

    Text that a sheet would take for a formula gets an apostrophe before it.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    yield b"\xef\xbb\xbf"
    for number, entry in enumerate(entries):
        if number == 0:
            writer.writerow(map(_harmless, entry.columns))
        writer.writerow([_harmless(cell) for cell in entry.columns.values()])
        yield buffer.getvalue().encode("utf-8", "backslashreplace")
        buffer.seek(0)
        buffer.truncate()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def as_xlsx(entries: Iterable[Entry]) -> Iterator[bytes]:
    """A workbook of one sheet; it goes through a file, so that only a row is in memory."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
            for name, content in _PARTS.items():
                package.writestr(name, _DECLARATION + content)
            with package.open("xl/worksheets/sheet1.xml", "w") as sheet:
                for part in _sheet(entries):
                    sheet.write(part.encode("utf-8", "backslashreplace"))
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece


def _sheet(entries: Iterable[Entry]) -> Iterator[str]:
    yield f'{_DECLARATION}<worksheet xmlns="{_SHEET}"><sheetData>'
    for number, entry in enumerate(entries):
        if number == 0:
            yield _row(entry.columns)
        yield _row(entry.columns.values())
    yield "</sheetData></worksheet>"


def _row(cells: Iterable[Cell]) -> str:
    return f"<row>{''.join(map(_cell, cells))}</row>"


def _cell(cell: Cell) -> str:
    if cell is None:
        return "<c/>"
    if isinstance(cell, bool):
        return f'<c t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, int | float) and math.isfinite(cell):
        return f"<c><v>{cell!r}</v></c>"
    text = _NO_XML.sub("", str(cell))
    # Characters that sheets count are UTF-16 units; half of them suffices for any text.
    cut = text if len(text.encode("utf-16-le", "replace")) // 2 <= _MOST_IN_CELL else None
    text = cut if cut is not None else f"{text[: _MOST_IN_CELL // 2]}…"
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
