from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ingest.parse import parse
from rag.errors import CorruptDocument, EmptyDocument, EncryptedDocument, ParserLimit
from rag.types import BlockKind, ParsedDocument

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>The  Linnet</dc:title></metadata>
<manifest><item id="b" href="text/two%20.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="one.xhtml" media-type="application/xhtml+xml"/>
<item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
<item id="i" href="cover.jpg" media-type="image/jpeg"/></manifest>
<spine><itemref idref="i"/><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/>
<itemref idref="gone"/></spine></package>"""
NAV = """<html xmlns="http://www.w3.org/1999/xhtml"><body><nav><ol>
<li><a href="one.xhtml">Not used</a></li><li><a href="text/two%20.xhtml#x">The second day</a></li>
</ol></nav></body></html>"""
ONE = "<html xmlns='http://www.w3.org/1999/xhtml'><head><title/></head><body><h2>Day one</h2>"
ONE += "<p>It rained.</p></body></html>"
TWO = "<html xmlns='http://www.w3.org/1999/xhtml'><body><p>Sun, at <i>last</i>.</p>"
TWO += "<table><tr><td>a</td><td>b</td></tr></table></body></html>"
LOCK = '<encryption><EncryptedData><EncryptionMethod Algorithm="{}"/></EncryptedData></encryption>'


def read(tmp_path: Path, **changed: str | None) -> ParsedDocument:
    files: dict[str, str | None] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OPS/book.opf": PACKAGE,
        "OPS/nav.xhtml": NAV,
        "OPS/one.xhtml": ONE,
        "OPS/text/two .xhtml": TWO,
        **{name.replace("__", "/").replace("_", "."): text for name, text in changed.items()},
    }
    path = tmp_path / "a.epub"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            if text is not None:
                archive.writestr(name, text)
    return parse(path, "application/epub+zip")


def test_chapters_in_reading_order_with_headings(tmp_path: Path) -> None:
    document = read(tmp_path)
    text = document.text
    assert document.title == "The Linnet"
    assert text == "Day one\n\nIt rained.\n\nThe second day\n\nSun, at last.\n\na | b"
    assert [(b.kind, b.level, text[b.start : b.end]) for b in document.blocks] == [
        (BlockKind.HEADING, 2, "Day one"),
        (BlockKind.HEADING, 1, "The second day"),
        (BlockKind.TABLE, 0, "a | b"),
    ]


def test_a_locked_book_is_refused_and_scrambled_fonts_are_not(tmp_path: Path) -> None:
    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    with pytest.raises(EncryptedDocument, match="DRM"):
        read(tmp_path, **{"META-INF__encryption_xml": LOCK.format(aes)})
    fonts = LOCK.format("http://www.idpf.org/2008/embedding")
    assert read(tmp_path, **{"META-INF__encryption_xml": fonts}).text


def test_a_page_that_expands_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParserLimit, match="expands"):
        read(tmp_path, OPS__one_xhtml="<p>" + "a" * (97 << 20))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"META-INF__container_xml": None}, CorruptDocument),
        ({"META-INF__container_xml": ""}, CorruptDocument),
        ({"OPS__book_opf": None}, CorruptDocument),
        ({"OPS__book_opf": "<package/>"}, EmptyDocument),
    ],
)
def test_damaged_books(
    tmp_path: Path, changed: dict[str, str | None], error: type[Exception]
) -> None:
    with pytest.raises(error):
        read(tmp_path, **changed)


def test_half_a_book(tmp_path: Path) -> None:
    read(tmp_path)
    path = tmp_path / "a.epub"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CorruptDocument, match="archive"):
        parse(path, "application/epub+zip")
