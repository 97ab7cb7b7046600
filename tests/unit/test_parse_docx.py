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
        archive.writestr("word/styles.xml", STYLES)
        for name, content in parts.items():
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
