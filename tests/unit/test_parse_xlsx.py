from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.comments import Comment

from ingest.parse import Limits, detect, parse, sheets
from ingest.parse.parts import assemble
from rag.errors import CorruptDocument, EmptyDocument, ParserLimit
from rag.types import Block, BlockKind, ParsedDocument

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@pytest.fixture
def book() -> Any:
    return Workbook()


def read(book: Any, tmp_path: Path) -> ParsedDocument:
    path = tmp_path / "book"
    book.save(path)
    assert detect(path, "book.pptx", None) == TYPE
    return parse(path, TYPE)


def by_hand(tmp_path: Path, rows: str, strings: str = "", more: str = "") -> Path:
    """A workbook of one sheet, written without a library."""
    path = tmp_path / "hand.xlsx"
    links = "".join(
        f'<Relationship Id="r{i}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(
            (("worksheet", "sheet.xml"), ("sharedStrings", "strings.xml"))
        )
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns:r="{RELATIONS}"><sheets><sheet name="Data" r:id="r0"/></sheets>'
            "</workbook>",
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{links}</Relationships>")
        archive.writestr("xl/sheet.xml", f"<w>{more}<sheetData>{rows}</sheetData></w>")
        archive.writestr("xl/strings.xml", f"<sst>{strings}</sst>")
    return path


def table(document: ParsedDocument) -> Block:
    (found,) = (block for block in document.blocks if block.kind is BlockKind.TABLE)
    return found


def cells(document: ParsedDocument, block: Block) -> dict[str, str]:
    return {sheets.reference(c.row, c.column): document.text[c.start : c.end] for c in block.cells}


def test_sheets_are_pages_and_rows_are_lines(book: Any, tmp_path: Path) -> None:
    first = book.active
    first.title = "Fees"
    for row in (
        ("Customer", "Fee", "Since"),
        ("Pell & Co", 184500, date(2023, 3, 1)),
        ("Grey", 96),
    ):
        first.append(row)
    first["B2"].number_format = "#,##0"
    first["D3"] = 0.125
    first["D3"].number_format = "0.0%"
    first["A6"] = "A note\nof two lines"
    book.create_sheet("Shut").append((True, datetime.fromisoformat("2024-05-06T07:08")))
    book["Shut"].sheet_state = "hidden"
    book.create_sheet("Void")
    book.properties.title = "Fees of 2023"
    document = read(book, tmp_path)
    assert document.text == (
        "Fees\n\nCustomer\tFee\tSince\nPell & Co\t184,500\t2023-03-01\nGrey\t96\t\t12.5%\n\n"
        "A note of two lines\n\nShut\n\nTRUE\t2024-05-06 7:08:00\n\nVoid"
    )
    assert [(p.number, document.text[p.start : p.start + 4]) for p in document.pages] == [
        (1, "Fees"), (2, "Shut"), (3, "Void"),
    ]  # fmt: skip
    assert document.title == "Fees of 2023"
    assert document.warnings == (
        "hidden in the workbook, but read: sheet 'Shut'",
        "empty: sheet 'Void'",
    )
    fees = next(block for block in document.blocks if block.kind is BlockKind.TABLE)
    named = cells(document, fees)
    assert (named["B2"], named["D3"], named["A3"]) == ("184,500", "12.5%", "Grey")
    assert "A6" not in named


def test_merged_cells_stand_at_all_their_places(book: Any, tmp_path: Path) -> None:
    sheet = book.active
    for row in (("2024", None, "2023"), ("Q1", "Q2", "Q1"), (1, 2, 3)):
        sheet.append(row)
    sheet.merge_cells("A1:B1")
    sheet.merged_cells.add("C1:XFD1048576")
    document = read(book, tmp_path)
    assert document.text == "Sheet\n\n2024\t\t2023\nQ1\tQ2\tQ1\n1\t2\t3"
    named = cells(document, table(document))
    assert (named["A1"], named["B1"], named["B2"]) == ("2024", "2024", "Q2")
    assert len(named) == 9


def test_formulas_comments_and_charts(book: Any, tmp_path: Path) -> None:
    sheet = book.active
    sheet["A1"], sheet["A2"] = 2, "=A1*3"
    sheet["A2"].comment = Comment("Check this.", "Ann Lee")
    document = read(book, tmp_path)
    assert document.text == "Sheet\n\n2\n=A1*3\n\nComment on A2 by Ann Lee: Check this."
    assert document.warnings == ("1 formulas were saved without a result; they stand as formulas",)
    stored = by_hand(
        tmp_path, '<row><c><f>A1*3</f><v>6</v></c><c t="str"><f>x</f><v>six</v></c></row>'
    )
    assert parse(stored, TYPE).text == "Data\n\n6\tsix"


def test_odd_cells(tmp_path: Path) -> None:
    rows = (
        '<row r="3"><c r="B3" t="s"><v>0</v></c><c t="inlineStr"><is><r><t>in</t></r>'
        '<r><t>line</t></r></is></c><c t="e"><v>#DIV/0!</v></c><c t="s"><v>99</v></c></row>'
        '<row r="x"><c r="B4"><v>1.50E2</v></c><c r="?"><v>word</v></c><c t="b"><v>0</v></c></row>'
    )
    strings = "<si><r><t>rich </t></r><r><t>text</t></r><rPh><t>spoken</t></rPh></si>"
    document = parse(by_hand(tmp_path, rows, strings), TYPE)
    assert document.text == "Data\n\nrich text\tinline\t#DIV/0!\n150\tword\tFALSE"
    assert cells(document, table(document))["D3"] == "#DIV/0!"


def test_claims_of_size_cost_nothing(tmp_path: Path) -> None:
    rows = (
        '<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c></row>'
        + "".join(f'<row r="{i}"><c r="A{i}" s="1"/></row>' for i in range(2, 60_000))
        + '<row r="1048576"><c r="XFD1048576"><v>3</v></c></row>'
    )
    path = by_hand(tmp_path, rows, more='<dimension ref="A1:XFD1048576"/>')
    document = parse(path, TYPE, limits=Limits(memory_bytes=128 << 20, cpu_s=10))
    assert document.text == "Data\n\n1\t2\n\n3"
    diagonal = "".join(f"<row>{'<c/>' * i}<c><v>{i}</v></c></row>" for i in range(1000))
    assert len(parse(by_hand(tmp_path, diagonal), TYPE).text) < 100_000


def test_one_text_used_a_million_times_is_a_limit(tmp_path: Path) -> None:
    cell = '<c t="s"><v>0</v></c>'
    row = f"<row>{cell * 100}</row>"
    path = by_hand(tmp_path, row * 1000, f"<si><t>{'long ' * 5000}</t></si>")
    with pytest.raises(ParserLimit, match="20,000,000 characters"):
        parse(path, TYPE)


def test_cells_are_told_apart_up_to_a_bound(tmp_path: Path) -> None:
    row = f"<row>{'<c><v>7</v></c>' * 100}</row>"
    document = parse(by_hand(tmp_path, row * 600), TYPE)
    assert document.text.count("\n") == 601
    found = [len(block.cells) for block in document.blocks if block.kind is BlockKind.TABLE]
    assert sum(found) == sheets.MOST_CELLS
    assert document.warnings == (
        "cells are told apart up to 50,000; the rows after them are plain lines",
    )


def test_damaged(book: Any, tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match="names of its sheets"):
        read(book, tmp_path)
    path = by_hand(tmp_path, "<row><c>")
    with pytest.raises(CorruptDocument, match=r"workbook is damaged: xl/sheet\.xml is not XML"):
        parse(path, TYPE)


TEXT = st.text("ab \t\n\x00\U0001f600", max_size=4)
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.dictionaries(st.integers(0, 5), TEXT, max_size=4)), max_size=9
)


@given(st.lists(ROWS, min_size=1, max_size=3))
def test_pages_and_cells_are_spans_whatever_the_sheets(books: Sequence[Any]) -> None:
    writer = sheets.SheetWriter()
    parts, expected = [], []
    for rows in books:
        number, given_rows = -1, []
        for gap, row in rows:
            number += gap + 1
            full = sorted((c, text) for c, text in row.items() if text.split())
            given_rows.append((number, full))
            expected += [(number, c, " ".join(text.split())) for c, text in full]
        last = rows is books[-1]
        parts += writer.sheet("S", given_rows, sheets.Ending, last=last)
    document = assemble(parts, TYPE)
    assert len(document.pages) == len(books)
    found = [
        (cell.row, cell.column, document.text[cell.start : cell.end])
        for block in document.blocks
        for cell in block.cells
    ]
    stored = [(row, column, text.replace("\x00", "\ufffd")) for row, column, text in expected]
    remaining = iter(stored)
    assert all(cell in remaining for cell in found)  # each, in this order
    assert all(text in document.text for _, _, text in stored)
