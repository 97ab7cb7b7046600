"""Hostile files made in code: small on disk; unpacked they are huge, endless or a trap.

Each is to end in text or in a reason, in a child within its limits.
"""

from __future__ import annotations

import base64
import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator

from tests.pdfs import line, pdf

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a0 "lol">'
    + "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 10))
    + "]>"
)
_EXTERNAL = (
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">'
    '<!ENTITY f SYSTEM "http://127.0.0.1:9/canary">]>'
)
_MAIL = "From: a@b.example\r\nTo: c@d.example\r\nSubject: s\r\n"
_MIXED = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def bombs() -> Iterator[tuple[str, bytes]]:
    """Name and content of each."""
    yield from _archives()
    yield from _office()
    yield from _pdfs()
    yield from _images()
    yield from _texts()
    yield from _mails()


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    """A zip archive, names as given, twice the same too."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of names that are there already
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def _repeated(megabytes: int) -> bytes:
    """So many megabytes of zeros as a raw deflate stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def _lying(name: bytes, packed: bytes, claimed: int) -> bytes:
    """An archive with one member that claims to unpack to ``claimed`` bytes."""
    sizes = struct.pack("<3I", 0, len(packed), claimed)
    local = b"PK\3\4" + struct.pack("<5H", 20, 0, 8, 0, 33) + sizes
    local += struct.pack("<2H", len(name), 0) + name
    central = b"PK\1\2" + struct.pack("<6H", 20, 20, 0, 8, 0, 33) + sizes
    central += struct.pack("<5H2I", len(name), 0, 0, 0, 0, 0, 0) + name
    place = len(local) + len(packed)
    return (
        local
        + packed
        + central
        + b"PK\5\6"
        + struct.pack("<4H2IH", 0, 0, 1, 1, len(central), place, 0)
    )


def _archives() -> Iterator[tuple[str, bytes]]:
    yield "one-256mb.zip", _lying(b"a.txt", _repeated(256), 256 << 20)
    yield "lies-about-size.zip", _lying(b"a.txt", _repeated(64), 10)
    nested = zipped([("0.txt", bytes(10 << 20))])
    for _ in range(4):
        nested = zipped([(f"{k}.zip", nested) for k in range(12)])
    yield "nested.zip", nested
    yield "12000-members.zip", zipped([(f"d{k}/x.txt", b"x") for k in range(12_000)])
    outside = ("../../../../tmp/canary.txt", "/etc/canary", "..\\..\\canary.txt", "C:\\canary.txt")
    yield "outside.zip", zipped([(name, b"canary") for name in outside])
    yield "twice.zip", zipped([("a.txt", b"one"), ("a.txt", b"two")])
    yield "cut-off.zip", zipped([("a.txt", b"hello" * 1000)])[:-30]


def _document(body: str, before: str = "") -> bytes:
    types = f'<Types><Override PartName="/word/document.xml" ContentType="{_TYPE}"/></Types>'
    link = f'<Relationship Id="r1" Type="{_OFFICE}" Target="word/document.xml"/>'
    content = f'{before}<w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>'
    parts = {
        "[Content_Types].xml": types,
        "_rels/.rels": f"<Relationships>{link}</Relationships>",
        "word/document.xml": content,
    }
    return zipped([(name, text.encode()) for name, text in parts.items()])


def _workbook(rows: str, before: str = "") -> bytes:
    link = '<Relationship Id="rId1" Type="{}" Target="{}"/>'
    related = _OFFICE.rpartition("/")[0]
    book = (
        f'<workbook xmlns="{_SHEET}" xmlns:r="{related}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    links = [link.format(_OFFICE, "xl/workbook.xml"), link.format(f"{related}/worksheet", "s.xml")]
    parts = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f"<Relationships>{links[0]}</Relationships>",
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": f"<Relationships>{links[1]}</Relationships>",
        "xl/s.xml": f'{before}<worksheet xmlns="{_SHEET}">'
        f"<sheetData>{rows}</sheetData></worksheet>",
    }
    return zipped([(name, text.encode()) for name, text in parts.items()])


def _office() -> Iterator[tuple[str, bytes]]:
    def paragraph(text: str) -> str:
        return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"

    yield "laughs.docx", _document(paragraph("&a9;"), _LAUGHS)
    yield "external.docx", _document(paragraph("[&e;][&f;]"), _EXTERNAL)
    quadratic = f'<!DOCTYPE x [<!ENTITY a "{"A" * 50_000}">]>'
    yield "quadratic.docx", _document(paragraph("&a;" * 20_000), quadratic)
    deep = "<w:tbl><w:tr><w:tc>" * 3000, "</w:tc></w:tr></w:tbl>" * 3000
    yield "deep-tables.docx", _document(deep[0] + paragraph("x") + deep[1])
    yield "300000-paragraphs.docx", _document(paragraph("x") * 300_000)
    yield "200mb.docx", _document(paragraph("A" * (200 << 20)))
    yield "no-archive.docx", b"this is no archive"
    yield "html-inside.docx", b"<html><body><script>alert(1)</script>hello</body></html>"
    cell = '<row r="{0}"><c r="{1}" t="inlineStr"><is><t>{2}</t></is></c></row>'
    yield "far-corner.xlsx", _workbook(cell.format(1048576, "XFD1048576", "last"))
    yield "laughs.xlsx", _workbook(cell.format(1, "A1", "&a9;"), _LAUGHS)
    yield "external.xlsx", _workbook(cell.format(1, "A1", "[&e;]"), _EXTERNAL)
    yield "bad-numbers.xlsx", _workbook(cell.format(-5, "A0", "x") + cell.format(10**11, "", "y"))
    row = "<row>" + "<c><v>1</v></c>" * 100 + "</row>"
    yield "2-million-cells.xlsx", _workbook(row * 20_000)


def _pdfs() -> Iterator[tuple[str, bytes]]:
    fine = pdf(line(72, 700, "hello"))
    yield "fine.pdf", fine
    spaces = zlib.compressobj(9)
    packed = b"".join(spaces.compress(b" " * (1 << 20)) for _ in range(400)) + spaces.flush()
    yield "400mb-stream.pdf", pdf(packed)
    yield (
        "2-million-texts.pdf",
        pdf(zlib.compress(b"BT /F1 9 Tf " + b"(a)Tj " * 2_000_000 + b"ET", 9)),
    )
    yield "deep-states.pdf", pdf(zlib.compress(b"q " * 3_000_000, 9))
    yield "deep-arrays.pdf", pdf("[" * 200_000 + "]" * 200_000 + line(72, 700, "hello"))
    yield "huge-page.pdf", pdf(line(72, 700, "hello"), page="/MediaBox [0 0 1e9 1e9]")
    yield (
        "unknown-encryption.pdf",
        pdf(line(72, 700, "x"), trailer="/Encrypt << /Filter /Weird /V 99 /R 99 >> /ID [(a) (b)]"),
    )
    yield "prev-is-itself.pdf", pdf(line(72, 700, "hello"), trailer="/Prev 15")
    yield "endless-pages.pdf", fine.replace(b"/Count 1 /Kids [4 0 R]", b"/Count 9 /Kids [2 0 R]")
    yield "lies-about-pages.pdf", fine.replace(b"/Count 1", b"/Count 2147483647")
    yield "no-text.pdf", pdf("")
    for part in (1, 9, len(fine) // 2, len(fine) - 40):
        yield f"cut-off-at-{part}.pdf", fine[:part]
    yield "junk-before.pdf", bytes(1500) + fine
    yield "html-before.pdf", b"<html><script>alert(1)</script>\n" + fine
    yield "program.pdf", b"MZ" + bytes(200) + b"PE\0\0"


def _images() -> Iterator[tuple[str, bytes]]:
    def chunk(kind: bytes, data: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + end

    def png(width: int, height: int, data: bytes, extra: bytes = b"") -> bytes:
        head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 1, 0, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")

    yield "40000-squared.png", png(40_000, 40_000, zlib.compress(bytes(5001 * 40_000), 9))
    yield "claims-2g.png", png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(100)))
    text = zlib.compress(b"A" * (300 << 20), 9)
    yield "300mb-comment.png", png(1, 1, zlib.compress(bytes(2)), chunk(b"zTXt", b"k\0\0" + text))
    yield "cut-off.png", png(10, 10, zlib.compress(bytes(30)))[:-20]
    yield "circle.tif", b"II*\0\x08\0\0\0\x01\0\0\x01\x03\0\x01\0\0\0\x01\0\0\0\x08\0\0\0"
    yield "65535.gif", b"GIF89a" + b"\xff" * 4 + b"\x80" + bytes(8) + b"," + bytes(4) + b"\xff" * 4


def _texts() -> Iterator[tuple[str, bytes]]:
    for name, text in {
        "deep.html": "<div>" * 100_000 + "hello" + "</div>" * 100_000,
        "unclosed.html": "<b><i>" * 50_000 + "hello",
        "angles.html": "<" * 1_500_000,
        "comments.html": "<!--" * 300_000,
        "colspan.html": "<table><tr><td colspan=1000000000 rowspan=1000000000>x</table>",
        "nested-tables.html": "<table><tr><td>" * 20_000 + "x",
        "quotes.md": ">" * 200_000 + " x",
        "brackets.md": "[" * 200_000,
        "emphasis.md": "*a_ " * 100_000,
        "one-word.txt": "a" * 1_900_000,
        "zalgo.txt": "a" + "\u0301" * 600_000,
        "families.txt": "\U0001f469\u200d" * 200_000,
        "overrides.txt": "\u202e" * 100_000 + "hello",
        "blank.txt": (" " * 200 + "\n") * 9000,
        "dots.txt": "." * 400_000 + "!",
        "columns.csv": "," * 900_000,
        "open-quote.csv": 'a,"' + "x\n" * 600_000,
        "formula.csv": "=cmd|' /C calc'!A0,+1,-1,@SUM(1)\n",
        "deep.json": "[" * 200_000,
        "deep.rtf": "{\\rtf1 " + "{" * 200_000 + "x" + "}" * 200_000 + "}",
        "lies.rtf": "{\\rtf1 \\bin2147483647 abc}",
        "laughs.xml": _LAUGHS + "<x>&a9;</x>",
        "external.svg": _EXTERNAL + "<svg><text>&e;&f;</text></svg>",
    }.items():
        yield name, text.encode()
    yield "nul.txt", bytes(500_000) + b"hello"
    yield "surrogates.txt", b"\xed\xa0\x80" * 1000 + b"hello"
    yield "empty.txt", b""
    yield "zero.bin", b"\0"
    yield "pickle.faiss", b"cos\nsystem\n(S'touch /tmp/canary'\ntR."


def _mails() -> Iterator[tuple[str, bytes]]:
    inner = _MAIL + "Content-Type: message/rfc822\r\n\r\n"
    yield "nested.eml", (inner * 500 + _MAIL + "\r\nhello").encode()
    many = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 20_000
    yield "20000-parts.eml", f"{_MAIL}{_MIXED}{many}--b--".encode()
    yield "same-boundary.eml", (_MAIL + _MIXED + ("--b\r\n" + _MIXED) * 3000).encode()
    yield "groups.eml", f"From: {'g:' * 30_000}\r\nMIME-Version: 1.0\r\n\r\nx".encode()
    attached = base64.b64encode(_lying(b"a", _repeated(256), 256 << 20)).decode()
    head = 'Content-Disposition: attachment; filename="../../canary.zip"\r\n'
    part = f"--b\r\n{head}Content-Transfer-Encoding: base64\r\n\r\n{attached}\r\n--b--"
    yield "bomb-attached.eml", f"{_MAIL}{_MIXED}{part}".encode()
