"""Results as a workbook: a sheet of results, and one with a row for each quote."""

from __future__ import annotations

import math
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from api.results.entries import Cell, Entry, Json, place

_MOST_IN_CELL = 32_767
"""Characters that a cell of a sheet holds."""
_MOST_EXACT = 10**15
_PIECE = 1 << 16
_LOOKED_AT = 100
"""Rows by which columns get their widths, in characters."""
_NARROWEST, _WIDEST = 10, 60
_HEADER, _WRAPPED = 1, 2
"""Numbers of the cell formats in `_STYLES`."""
_CITATIONS = ("result", "field", "value", "document", "pages", "quote", "located", "support",
              "document_id", "start", "end")  # fmt: skip
_CITATION_WIDTHS = (24, 18, 40, 32, 10, 60, 10, 9, 38, 9, 9)
_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
"""What XML has no way to write."""
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_MAIN = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_STYLES = (
    f'<styleSheet xmlns="{_SHEET}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><color rgb="FFFFFFFF"/><name val="Calibri"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill><fill><patternFill patternType="solid">'
    '<fgColor rgb="FF335577"/><bgColor indexed="64"/></patternFill></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="2" borderId="0" xfId="0" applyFont="1" applyFill="1" '
    'applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" applyAlignment="1">'
    '<alignment vertical="top" wrapText="1"/></xf></cellXfs><cellStyles count="1">'
    '<cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_SHEETS = ("Results", "Citations")
_PARTS: Mapping[str, str] = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType='
    '"application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_MAIN}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_MAIN}.styles+xml"/>'
    + "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" '
        f'ContentType="{_MAIN}.worksheet+xml"/>'
        for number in (1, 2)
    )
    + "</Types>",
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>'
    + "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>'
        for number, name in enumerate(_SHEETS, start=1)
    )
    + "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    + "".join(
        f'<Relationship Id="r{number}" Type="{_OFFICE}/worksheet" '
        f'Target="worksheets/sheet{number}.xml"/>'
        for number in (1, 2)
    )
    + f'<Relationship Id="r3" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": _STYLES,
}
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def as_xlsx(entries: Iterable[Entry]) -> Iterator[bytes]:
    """A workbook of two sheets; it goes through files, so that only some rows are in memory.

    What is text is stored as text, so that no program takes it for a formula.
    """
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as quotes:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
            for name, content in _PARTS.items():
                package.writestr(name, _DECLARATION + content)
            with package.open("xl/worksheets/sheet1.xml", "w") as sheet:
                for part in _results(entries, quotes):
                    sheet.write(_bytes(part))
            with package.open("xl/worksheets/sheet2.xml", "w") as sheet:
                sheet.write(_bytes(_head(_CITATION_WIDTHS) + _row(_CITATIONS, _HEADER)))
                quotes.seek(0)
                while piece := quotes.read(_PIECE):
                    sheet.write(piece)
                sheet.write(_bytes(_TAIL))
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece


def _results(entries: Iterable[Entry], quotes: IO[bytes]) -> Iterator[str]:
    """The sheet of results; rows about their quotes go to a file meanwhile."""
    known = iter(entries)
    first = list(islice(known, _LOOKED_AT))
    names = list(first[0].columns) if first else []
    yield _head([_width(name, [one.columns[name] for one in first]) for name in names])
    if names:
        yield _row(names, _HEADER)
    for entry in chain(first, known):
        yield _row(entry.columns.values())
        for said in entry.said:
            for one in said.citations:
                quotes.write(_bytes(_row(_cited(entry.title, said.label, said.text, one))))
    yield _TAIL


def _cited(title: str, label: str | None, text: str, citation: Json) -> list[Cell]:
    whole, name = place(citation), citation["document_title"] or citation["document_name"]
    return [
        title,
        label,
        text,
        name,
        whole.removeprefix(str(name)).lstrip(", p."),
        citation["cited_text"],
        citation["located"],
        citation["support"],
        citation["document_id"],
        citation["start_char_index"],
        citation["end_char_index"],
    ]


def _width(name: str, cells: Iterable[Cell]) -> int:
    lines = [name, *(line for cell in cells for line in str(cell or "").splitlines())]
    return min(max(_NARROWEST, *(len(line) + 2 for line in lines)), _WIDEST)


def _head(widths: Sequence[int]) -> str:
    """What stands before the rows: the first of them, their names, stays in sight."""
    columns = "".join(
        f'<col min="{at}" max="{at}" width={quoteattr(str(width))} customWidth="1"/>'
        for at, width in enumerate(widths, start=1)
    )
    return (
        f'{_DECLARATION}<worksheet xmlns="{_SHEET}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView>'
        f"</sheetViews>{f'<cols>{columns}</cols>' if columns else ''}<sheetData>"
    )


_TAIL = "</sheetData></worksheet>"


def _row(cells: Iterable[Cell], style: int = _WRAPPED) -> str:
    return f"<row>{''.join(_cell(one, style) for one in cells)}</row>"


def _cell(cell: Cell, style: int) -> str:
    if cell is None:
        return f'<c s="{style}"/>'
    if isinstance(cell, bool):
        return f'<c s="{style}" t="b"><v>{int(cell)}</v></c>'
    if _is_number(cell):
        return f'<c s="{style}"><v>{cell!r}</v></c>'
    text = _NO_XML.sub("", str(cell))
    # Characters that sheets count are UTF-16 units; half of them suffices for any text.
    cut = text if len(text.encode("utf-16-le", "replace")) // 2 <= _MOST_IN_CELL else None
    text = cut if cut is not None else f"{text[: _MOST_IN_CELL // 2]}…"
    return f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def _is_number(cell: Cell) -> bool:
    """Whether a sheet holds it as it is: of longer numbers it would change the last digits."""
    if isinstance(cell, int):
        return abs(cell) < _MOST_EXACT
    return isinstance(cell, float) and math.isfinite(cell)


def _bytes(part: str) -> bytes:
    return part.encode("utf-8", "backslashreplace")
