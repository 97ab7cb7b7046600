from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

import pytest

from ingest.parse import containers, detect
from ingest.parse.detect import mismatch
from ingest.parse.formats import FORMATS
from rag.errors import EmptyDocument, EncryptedDocument, UnsupportedType
from tests.pdfs import line, pdf

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def kind(tmp_path: Path, data: bytes, name: str, declared: str | None = None) -> str:
    path = tmp_path / "stored"
    path.write_bytes(data)
    return detect(path, name, declared)


def zipped(tmp_path: Path, *names: str) -> bytes:
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return path.read_bytes()


def test_content_outweighs_name_and_claim(tmp_path: Path) -> None:
    assert kind(tmp_path, pdf(line(72, 700, "x")), "a.docx", "text/plain") == "application/pdf"
    word = zipped(tmp_path, "[Content_Types].xml", "word/document.xml")
    assert kind(tmp_path, word, "a.zip", "application/zip") == DOCX


def test_a_book_is_known_by_its_container(tmp_path: Path) -> None:
    book = zipped(tmp_path, "OPS/book.opf", "META-INF/container.xml")
    assert kind(tmp_path, book, "a.zip") == "application/epub+zip"


@pytest.mark.parametrize(
    ("data", "name", "declared", "expected"),
    [
        (b"plain words", "notes.txt", None, "text/plain"),
        (b"plain words", "notes", None, "text/plain"),
        (b"# Title", "README.md", "text/plain", "text/markdown"),
        (b"# Title", "README", "text/markdown; charset=utf-8", "text/markdown"),
        (b"a,b\n1,2\n", "table.csv", "text/plain", "text/csv"),
        (b"a\tb\n1\t2\n", "export", "text/tab-separated-values", "text/csv"),
        (b'{"a": 1}\n', "records.ndjson", None, "application/json"),
        (b"<p>hello</p>", "page.HTM", None, "text/html"),
        (b"\n <!DOCTYPE html><p>hello", "page", "application/octet-stream", "text/html"),
        ("<html><p>hi".encode("utf-16"), "download", None, "text/html"),
        (b"<html><p>source to read", "page.txt", None, "text/plain"),
        ("k\xe4se".encode("latin-1") * 9, "de.txt", None, "text/plain"),
        ("no mark".encode("utf-16-le"), "u.txt", None, "text/plain"),
        ("no mark".encode("utf-32-be"), "u.txt", None, "text/plain"),
        (b"the signature %PDF-1.4 is five bytes", "about.txt", None, "text/plain"),
        (b"junk\x00\x01" + b"%PDF-1.4\n...", "a.bin", None, "application/pdf"),
        (b"broken header\n1 0 obj\nstartxref", "a.pdf", None, "application/pdf"),
        (b"\n{\\rtf1 hello}", "letter.doc", "application/msword", "application/rtf"),
        (b"PK\x03\x04 cut off", "report.docx", None, DOCX),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "scan.pdf", "application/pdf", "image/png"),
        (b"MM\x00*\x00\x00\x00\x08", "fax", None, "image/tiff"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "photo", None, "image/webp"),
        (b"BMW and others", "cars", "image/bmp", "text/plain"),
        (b"x", "../../etc/passwd", None, "text/plain"),
        (b"x", "a" * 1000 + "\x00.html", None, "text/html"),
        (b"x", "C:\\files\\page.html", None, "text/html"),
    ],
)
def test_type_of(
    tmp_path: Path, data: bytes, name: str, declared: str | None, expected: str
) -> None:
    assert kind(tmp_path, data, name, declared) == expected


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(20), "audio"),
        (b"\x1f\x8b\x08" + bytes(9), "gzip"),
        (b"MZ\x90\x00" + bytes(99), "a program"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "old Office"),
        (random.Random(1).randbytes(5000), "unknown type"),
        (bytes(100), "unknown type"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(UnsupportedType, match="PDF.*can be read") as caught:  # noqa: RUF043
        kind(tmp_path, data, "file.txt")
    assert says in caught.value.message


def test_other_office_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedType, match="iWork"):
        kind(tmp_path, zipped(tmp_path, "Index/Document.iwa"), "a.pages")
    with pytest.raises(UnsupportedType, match="zip archive"):
        kind(tmp_path, zipped(tmp_path, "holiday.txt"), "program.jar")


def test_an_archive_is_one_where_it_is_called_so(tmp_path: Path) -> None:
    archive = zipped(tmp_path, "holiday.txt")
    assert kind(tmp_path, archive, "a.zip") == "application/zip"
    assert kind(tmp_path, archive, "download") == "application/zip"
    assert kind(tmp_path, archive, "a.bin", "application/x-zip-compressed") == "application/zip"
    assert kind(tmp_path, zipped(tmp_path), "empty.zip") == "application/zip"


def test_an_office_file_with_a_password(tmp_path: Path) -> None:
    data = b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(EncryptedDocument, match="password"):
        kind(tmp_path, data, "a.docx")


def ole(*names: str) -> bytes:
    """An old Office file of a directory alone, whose sectors stand in reverse order."""
    entries = [
        name.encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<HB", 2 * len(name) + 2, 2).ljust(64, b"\0")
        for name in ("Root Entry", *names)
    ]
    sectors = [b"".join(entries[at : at + 4]) for at in range(0, len(entries), 4)]
    table = [index - 1 if index else -2 for index in range(len(sectors))]
    header = containers.OLE.ljust(30, b"\0") + struct.pack("<H", 9)
    header = header.ljust(48, b"\0") + struct.pack("<I", len(sectors) - 1)
    header = header.ljust(76, b"\0") + struct.pack("<I", len(sectors))
    body = b"".join(sector.ljust(512, b"\0") for sector in reversed(sectors))
    return header.ljust(512, b"\0") + body + struct.pack(f"<{len(table)}i", *table).ljust(512)


@pytest.mark.parametrize(
    ("streams", "says"),
    [
        (("1Table", "WordDocument"), r"old Word document \(DOC\); save it as DOCX"),
        (("Current User", *"abcdef", "PowerPoint Document"), r"\(PPT\); save it as PPTX"),
        (("WordDocument", "Workbook"), "Word"),
    ],
)
def test_old_office_files_are_named(tmp_path: Path, streams: tuple[str, ...], says: str) -> None:
    with pytest.raises(UnsupportedType, match=says):
        kind(tmp_path, ole(*streams), "a.docx")


def test_embedded_files_do_not_decide(tmp_path: Path) -> None:
    workbook = zipped(tmp_path, "[Content_Types].xml", "xl/workbook.xml")
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("word/embeddings/book.xlsx", workbook)
        archive.writestr("word/document.xml", "<x/>")
    assert kind(tmp_path, outer.read_bytes(), "a") == DOCX
    with pytest.raises(UnsupportedType, match="XLSB"):
        kind(tmp_path, zipped(tmp_path, "xl/workbook.bin"), "a.xlsx")


@pytest.mark.parametrize(
    ("name", "media_type", "said"),
    [
        ("a.docx", "application/pdf", "named .docx, but it is PDF; read as PDF"),
        ("a.PDF", "text/plain", "named .pdf, but it is plain text; read as plain text"),
        ("C:\\b.xls\\a.html", "application/pdf", "named .html, but it is PDF; read as PDF"),
        ("a.htm", "text/html", None),
        ("a.pdf", "application/x-pdf", None),
        ("a.unknown", "application/pdf", None),
        ("pdf", "text/plain", None),
    ],
)
def test_a_name_that_promises_another_format(name: str, media_type: str, said: str | None) -> None:
    assert mismatch(name, media_type) == said


def test_no_bytes(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match="no bytes"):
        kind(tmp_path, b"", "a.pdf")


def test_every_format_has_its_module_and_extension() -> None:
    assert len({row.media_type for row in FORMATS}) == len(FORMATS)
    folder = Path(__file__).parents[2]
    for row in FORMATS:
        assert (folder / (row.module.replace(".", "/") + ".py")).is_file()
        assert all(extension.startswith(".") for extension in row.extensions)
