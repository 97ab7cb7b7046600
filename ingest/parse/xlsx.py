"""Excel workbooks (XLSX, XLSM): each sheet is a page; see sheets.py for how it is written.

Cells are shown as their number formats show them, formulas by the result that was stored with
them. Sheets are streamed: neither a huge sheet nor one that claims to be huge takes memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parse.listing import listed
from ingest.parse.number_format import BUILT_IN
from ingest.parse.package import Package, attribute, each, first, opened, own
from ingest.parse.parts import Part
from ingest.parse.sheets import SheetWriter
from ingest.parse.xlsx_sheet import Shared, Sheet, rich
from rag.errors import CorruptDocument, EmptyDocument

_SHEETS = ("worksheet", "chartsheet", "dialogsheet", "xlMacrosheet", "xlIntlMacrosheet")
_MOST_NAMED = 10


def parse(path: Path) -> Iterator[Part]:
    """Some parts per sheet, then one with title and warnings.

    Raises:
        CorruptDocument: The archive or its XML is damaged.
        EncryptedDocument: The archive is locked with a password.
        ParserLimit: A part expands beyond what is read.
        EmptyDocument: No sheet contains anything.
    """
    with opened(path, "workbook") as package:
        main = package.main("xl/workbook.xml")
        root = package.xml(main)
        nodes = list(each(first(root, "sheets"), "sheet"))
        if not nodes:
            raise CorruptDocument("the workbook is damaged: it has no list of sheets")
        links = package.links(main)
        shared = _shared(package, main, root)
        writer, sheets, missing = SheetWriter(), [], []
        for node in nodes:
            link = links.get(attribute(node, "id") or "")
            name = link.target if link is not None and link.type in _SHEETS else ""
            if name not in package:
                missing.append(f"'{node.get('name', '')[:40]}'")
            sheets.append(Sheet(package, name, shared))
            yield from writer.sheet(
                node.get("name", ""),
                sheets[-1].rows(),
                sheets[-1].ending,
                last=node is nodes[-1],
                hidden=node.get("state", "visible") != "visible",
            )
        if not writer.said_anything:
            raise EmptyDocument("the workbook contains nothing but the names of its sheets")
        warnings = list(writer.warnings())
        if missing:
            warnings.append(f"damaged and left out: the cells of {listed(missing[:_MOST_NAMED])}")
        if unsolved := sum(sheet.unsolved for sheet in sheets):
            warnings.append(
                f"{unsolved:,} formulas were saved without a result; they stand as formulas"
            )
        yield Part(title=package.title() or writer.title, warnings=tuple(warnings))


def _shared(package: Package, main: str, root: Any) -> Shared:
    links = {link.type: link.target for link in package.links(main).values()}
    strings = package.elements(links.get("sharedStrings", ""), "si")
    people = each(package.xml(links.get("person", "")), "person")
    properties = first(root, "workbookPr")
    return Shared(
        strings=[rich(item) for item in strings],
        codes=list(_codes(package.xml(links.get("styles", "")))),
        people={node.get("id", ""): node.get("displayName", "") for node in people},
        from_1904=properties is not None and properties.get("date1904") in ("1", "true"),
    )


def _codes(styles: Any | None) -> Iterator[str]:
    """The format code of each cell style."""
    codes = {str(number): code for number, code in BUILT_IN.items()}
    for node in each(first(styles, "numFmts"), "numFmt"):
        codes[node.get("numFmtId", "")] = node.get("formatCode", "")
    for node in own(first(styles, "cellXfs"), "xf"):
        yield codes.get(node.get("numFmtId", "0"), "General")
