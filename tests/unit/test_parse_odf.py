from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ingest.parse import Limits, detect, parse
from rag.errors import CorruptDocument, EmptyDocument, EncryptedDocument
from rag.types import BlockKind, ParsedDocument

TYPE = "application/vnd.oasis.opendocument."
NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table", "draw", "presentation", "style")
)
STYLES = (
    '<style:style style:name="P1" style:parent-style-name="Title"/>'
    '<style:style style:name="off"><style:table-properties table:display="false"/></style:style>'
    '<text:list-style style:name="L1">'
    '<text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>'
    '<text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")"/>'
    "</text:list-style>"
)


def made(tmp_path: Path, kind: str, body: str, **members: str) -> Path:
    path = tmp_path / "document"
    content = (
        f"<office:document-content {NAMES}><office:automatic-styles>{STYLES}"
        f"</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}>"
        "</office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", TYPE + kind)
        archive.writestr("content.xml", content)
        for name, text in members.items():
            archive.writestr(name.replace("__", "/") + ".xml", text)
    return path


def read(tmp_path: Path, kind: str, body: str, **members: str) -> ParsedDocument:
    path = made(tmp_path, kind, body, **members)
    assert detect(path, "any.name", None) == TYPE + kind
    return parse(path, TYPE + kind)


def found(document: ParsedDocument) -> list[tuple[BlockKind, int, str]]:
    return [(b.kind, b.level, document.text[b.start : b.end]) for b in document.blocks]


def test_texts_have_structure(tmp_path: Path) -> None:
    body = (
        '<text:p text:style-name="P1">Lease</text:p><text:h text:outline-level="2">Rent</text:h>'
        '<text:p>Due<text:s text:c="2"/>now<text:note><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>In euro.</text:p></text:note-body></text:note>, "
        "<text:span>in <text:a>full</text:a></text:span><text:line-break/>always.</text:p>"
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        '<text:list text:style-name="L1"><text:list-item><text:p>one</text:p><text:list>'
        "<text:list-item><text:p>deep</text:p></text:list-item></text:list></text:list-item>"
        '<text:list-item text:start-value="5"><text:p>five</text:p></text:list-item></text:list>'
        "<text:list><text:list-item><text:p>bare</text:p></text:list-item></text:list>"
        "<text:p>around<draw:frame><draw:text-box><text:p>in a box</text:p></draw:text-box>"
        "</draw:frame></text:p>"
    )
    document = read(tmp_path, "text", body)
    assert document.text == (
        "Lease\n\nRent\n\nDue  now, in full\nalways.\n\n1. one\na) deep\n5. five\n\n- bare\n\n"
        "around\n\nin a box\n\n1 In euro."
    )
    assert document.title == "Lease"
    assert found(document) == [
        (BlockKind.HEADING, 1, "Lease"),
        (BlockKind.HEADING, 2, "Rent"),
        (BlockKind.LIST, 0, "1. one\na) deep\n5. five"),
        (BlockKind.LIST, 0, "- bare"),
    ]


def test_cells_of_tables(tmp_path: Path) -> None:
    inner = "<table:table><table:table-row><table:table-cell><text:p>inner</text:p>"
    inner += "</table:table-cell></table:table-row></table:table>"
    body = (
        "<table:table><table:table-header-rows><table:table-row>"
        '<table:table-cell table:number-columns-repeated="2"><text:p>Year</text:p>'
        "</table:table-cell></table:table-row></table:table-header-rows><table:table-row>"
        f"<table:covered-table-cell/><table:table-cell><text:p>2024</text:p>{inner}"
        '</table:table-cell></table:table-row><table:table-row table:number-rows-repeated="99999">'
        "<table:table-cell/></table:table-row></table:table>"
    )
    document = read(tmp_path, "text", body, meta="<meta><title>  A \n title </title></meta>")
    assert document.text == "Year | Year\n | 2024 inner"
    assert document.title == "A title"
    (table,) = document.blocks
    cells = {(c.row, c.column): document.text[c.start : c.end] for c in table.cells}
    assert cells == {(0, 0): "Year", (0, 1): "Year", (1, 0): "", (1, 1): "2024 inner"}


def test_slides_are_pages(tmp_path: Path) -> None:
    def frame(role: str, text: str) -> str:
        return (
            f'<draw:frame presentation:class="{role}"><draw:text-box><text:p>{text}</text:p>'
            "</draw:text-box></draw:frame>"
        )

    body = (
        f"<draw:page>{frame('subtitle', 'below')}{frame('title', 'On top')}"
        f"{frame('footer', 'left out')}<draw:g><draw:custom-shape><text:p>grouped</text:p>"
        f"</draw:custom-shape></draw:g><presentation:notes>{frame('notes', 'Smile.')}"
        f"{frame('page-number', '1')}</presentation:notes></draw:page><draw:page/>"
        f"<draw:page>{frame('title', 'Last')}</draw:page>"
    )
    document = read(tmp_path, "presentation", body)
    pages = [document.text[page.start : page.end] for page in document.pages]
    assert pages == ["On top\n\nbelow\n\ngrouped\n\nSpeaker notes:\nSmile.\n\n", "", "Last"]
    assert document.warnings == ("no text (empty, or pictures only): slide 2",)
    assert found(document) == [
        (BlockKind.HEADING, 1, "On top"),
        (BlockKind.HEADING, 2, "Last"),
    ]


def cell(text: str = "", **attributes: object) -> str:
    names = {"value": "office:value", "wide": "table:number-columns-spanned"}
    names["times"] = "table:number-columns-repeated"
    given = "".join(f' {names[name]}="{value}"' for name, value in attributes.items())
    inner = f"<text:p>{text}</text:p>" if text else ""
    return f"<table:table-cell{given}>{inner}</table:table-cell>"


def row(*cells: str, times: int = 1) -> str:
    return (
        f'<table:table-row table:number-rows-repeated="{times}">{"".join(cells)}</table:table-row>'
    )


def test_sheets_are_pages(tmp_path: Path) -> None:
    covered = "<table:covered-table-cell/>"
    note = "<office:annotation><text:p>why?</text:p></office:annotation>"
    body = (
        '<table:table table:name="Fees">'
        + row(cell("Total", wide=2), covered, cell("€ 1.50", value=1.5), cell(times=16384))
        + row(cell("a"), cell("b"), cell(), cell(value=7), times=2)
        + row(cell(times=16384), times=1_048_000)
        + row(f"<table:table-cell>{note}<text:p>alone</text:p></table:table-cell>")
        + '</table:table><table:table table:name="Void" table:style-name="off"/>'
    )
    path = made(tmp_path, "spreadsheet", body)
    limits = Limits(memory_bytes=128 << 20, cpu_s=5)
    document = parse(path, TYPE + "spreadsheet", limits=limits)
    assert document.text == (
        "Fees\n\nTotal\t\t€ 1.50\na\tb\t\t7\na\tb\t\t7\n\nalone\n\n"
        "Comment on A1048004: why?\n\nVoid"
    )
    table = next(block for block in document.blocks if block.kind is BlockKind.TABLE)
    cells = {(c.row, c.column): document.text[c.start : c.end] for c in table.cells}
    assert (cells[0, 0], cells[0, 1], cells[0, 2], cells[2, 3]) == ("Total", "Total", "€ 1.50", "7")
    assert document.warnings == (
        "hidden in the workbook, but read: sheet 'Void'",
        "empty: sheet 'Void'",
    )
    assert document.title == "Fees"


@pytest.mark.parametrize("kind", ["text", "presentation", "spreadsheet"])
def test_locked_empty_and_damaged(tmp_path: Path, kind: str) -> None:
    with pytest.raises(EmptyDocument):
        read(tmp_path, kind, "")
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    with pytest.raises(EncryptedDocument, match="locked with a password"):
        read(tmp_path, kind, "", **{"META-INF__manifest": manifest})
    path = made(tmp_path, kind, "<text:p>")
    with pytest.raises(CorruptDocument, match=r"damaged: content\.xml is not XML"):
        parse(path, TYPE + kind)
