from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ingest.parse import Limits, parse
from rag.errors import CorruptDocument, EmptyDocument, ParserLimit
from rag.types import BlockKind, ParsedDocument

TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STYLES = f"""<w:styles {W}>
<w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>
<w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="H2"/></w:style>
<w:style w:styleId="H2"><w:name w:val="Section"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:styleId="Loop"><w:name w:val="a"/><w:basedOn w:val="Loop"/></w:style>
</w:styles>"""


def paragraph(text: str, style: str = "", more: str = "") -> str:
    properties = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{properties}{more}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def read(tmp_path: Path, body: str, **parts: str) -> ParsedDocument:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>"
        )
        for name, content in {"styles": STYLES, **parts}.items():
            archive.writestr(f"word/{name}.xml", content)
    return parse(path, TYPE)


def test_structure(tmp_path: Path) -> None:
    item = "<w:numPr><w:numId w:val='1'/></w:numPr>"
    cells = "".join(f"<w:tc>{paragraph(text)}</w:tc>" for text in ("Net", "82,959"))
    document = read(
        tmp_path,
        paragraph("Report", "H1")
        + paragraph("Body text.")
        + paragraph("Part", "Mine")
        + paragraph("one", more=item)
        + paragraph("two", more=item)
        + f"<w:tbl><w:tr>{cells}</w:tr><w:tr>{cells}</w:tr></w:tbl>"
        + paragraph("End.", "Loop"),
    )
    assert document.text == (
        "Report\n\nBody text.\n\nPart\n\n- one\n- two\n\nNet | 82,959\nNet | 82,959\n\nEnd."
    )
    assert document.title == "Report"
    found = [(b.kind, b.level, document.text[b.start : b.end]) for b in document.blocks]
    assert found == [
        (BlockKind.HEADING, 1, "Report"),
        (BlockKind.HEADING, 2, "Part"),
        (BlockKind.LIST, 0, "- one\n- two"),
        (BlockKind.TABLE, 0, "Net | 82,959\nNet | 82,959"),
    ]


NUMBERING = f"""<w:numbering {W}>
<w:abstractNum w:abstractNumId="0">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:pStyle w:val="H1"/>
<w:lvlText w:val="%1."/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:pStyle w:val="H2"/>
<w:lvlText w:val="%1.%2"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="lowerRoman"/>
<w:lvlText w:val="(%3)"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="1">
<w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="upperLetter"/>
<w:lvlText w:val="%1)"/></w:lvl>
<w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="2"><w:numStyleLink w:val="Linked"/></w:abstractNum>
<w:abstractNum w:abstractNumId="3"><w:styleLink w:val="Linked"/>
<w:lvl w:ilvl="0"><w:numFmt w:val="decimalZero"/><w:lvlText w:val="No. %1"/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="1"/>
<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>
<w:num w:numId="4"><w:abstractNumId w:val="2"/></w:num>
</w:numbering>"""


def numbered(text: str, instance: int, level: int = 0, style: str = "") -> str:
    more = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{instance}"/></w:numPr>'
    return paragraph(text, style, more)


def test_automatic_numbers(tmp_path: Path) -> None:
    body = (
        numbered("Term", 1, 0, "H1")
        + numbered("Start", 1, 1, "H2")
        + numbered("first", 1, 2)
        + numbered("", 1, 2)
        + numbered("third", 1, 2)
        + numbered("End", 1, 1, "H2")
        + numbered("Fees", 1, 0, "H1")
        + numbered("Due", 1, 1, "H2")
        + paragraph("No number", "H2", '<w:numPr><w:numId w:val="0"/></w:numPr>')
        + numbered("three", 2)
        + numbered("deep", 2, 1)
        + numbered("four", 2)
        + paragraph("Between.")
        + numbered("anew", 3)
        + numbered("on", 3)
        + numbered("linked", 4)
    )
    document = read(tmp_path, body, numbering=NUMBERING)
    assert document.text.split("\n\n") == [
        "1. Term", "1.1 Start", "(i) first\n(iii) third", "1.2 End", "2. Fees", "2.1 Due",
        "No number", "C) three\n- deep\nD) four", "Between.", "A) anew\nB) on\nNo. 01 linked",
    ]  # fmt: skip
    assert document.title == "1. Term"


def test_numbers_that_are_none(tmp_path: Path) -> None:
    broken = NUMBERING.replace('<w:start w:val="1"/>', '<w:start w:val="²"/>')
    body = numbered("one", 1).replace('w:ilvl w:val="0"', 'w:ilvl w:val="²"') + numbered("two", 99)
    assert read(tmp_path, body, numbering=broken).text == "1. one\n- two"


def test_numbers_by_style_and_in_cells(tmp_path: Path) -> None:
    styles = STYLES.replace(
        '<w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>',
        '<w:style w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/>'
        "</w:numPr></w:pPr></w:style>",
    ).replace(
        '<w:outlineLvl w:val="1"/>',
        '<w:outlineLvl w:val="1"/><w:numPr><w:numId w:val="1"/></w:numPr>',
    )
    cells = "".join(
        f"<w:tr><w:tc>{numbered('', 3)}</w:tc><w:tc><w:tcPr><w:gridSpan w:val='2'/></w:tcPr>"
        f"{paragraph(text)}</w:tc><w:tc>{paragraph('end')}</w:tc></w:tr>"
        for text in ("Net", "Tax")
    )
    body = paragraph("One", "H1") + paragraph("Sub", "H2") + f"<w:tbl>{cells}</w:tbl>"
    document = read(tmp_path, body, numbering=NUMBERING, styles=styles)
    assert document.text == "1. One\n\n1.1 Sub\n\nA) | Net | end\nB) | Tax | end"
    found = {(c.row, c.column): document.text[c.start : c.end] for c in document.blocks[-1].cells}
    assert found == {
        (0, 0): "A)", (0, 1): "Net", (0, 3): "end", (1, 0): "B)", (1, 1): "Tax", (1, 3): "end",
    }  # fmt: skip


def test_what_a_reader_sees_and_nothing_else(tmp_path: Path) -> None:
    body = (
        "<w:p><w:r><w:t>kept</w:t><w:tab/><w:t>tab</w:t><w:br/><w:t>line</w:t></w:r>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t xml:space='preserve'> added</w:t></w:r></w:ins>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
    )
    note = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    footnotes = (
        f"<w:footnotes {W}><w:footnote w:type='separator'>{note.format('---')}</w:footnote>"
        f"<w:footnote w:id='2'>{note.format('A note.')}</w:footnote></w:footnotes>"
    )
    document = read(tmp_path, body, footnotes=footnotes, header1="<x>Header</x>")
    assert document.text == "kept\ttab\nline added\n\nA note."


def test_text_boxes_once(tmp_path: Path) -> None:
    box = f"<w:txbxContent>{paragraph('in the box')}</w:txbxContent>"
    body = (
        "<w:p><w:r><w:t>around</w:t></w:r><w:r><AlternateContent>"
        f"<Choice>{box}</Choice><Fallback>{box}</Fallback></AlternateContent></w:r></w:p>"
    )
    assert read(tmp_path, body).text == "around\n\nin the box"


def test_entities_are_not_resolved(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("top secret")
    path = tmp_path / "x.docx"
    document = (
        f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]><w:document {W}><w:body>'
        "<w:p><w:r><w:t>before &x; after</w:t></w:r></w:p></w:body></w:document>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", document)
    assert "secret" not in parse(path, TYPE).text


def test_bombs_are_stopped(tmp_path: Path) -> None:
    with pytest.raises(ParserLimit, match="expands"):
        read(tmp_path, paragraph("a" * (97 << 20)))


def test_too_little_memory_is_a_limit_and_not_damage(tmp_path: Path) -> None:
    read(tmp_path, paragraph("b") * 60_000)
    with pytest.raises(ParserLimit, match="memory"):
        parse(tmp_path / "a.docx", TYPE, limits=Limits(memory_bytes=64 << 20))


def test_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(CorruptDocument, match="archive"):
        parse(path, TYPE)
    with pytest.raises(CorruptDocument, match="not XML"):
        read(tmp_path, "<w:p>")
    with pytest.raises(EmptyDocument):
        read(tmp_path, paragraph("  "))
