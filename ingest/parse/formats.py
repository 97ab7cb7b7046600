"""Which formats can be read: one row per format, one module per row.

To add a format, write a module with ``parse(path) -> Iterator[Part]`` and add its row.
Modules are named, not imported, so that detecting a type and starting a parser both stay
cheap.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_OF_MAIL = frozenset((b"from", b"to", b"subject", b"date", b"received", b"message-id"))
"""Fields of which one at least stands in every mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The first and last bytes of a file, its size, and what is inside: all detection sees.

    ``members`` are those of a zip archive, ``mimetype`` what its first member says, and
    ``streams`` those of an old Office file; see containers.py.
    """

    head: bytes
    tail: bytes
    size: int
    members: frozenset[str] = frozenset()
    mimetype: str = ""
    streams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One readable format. ``matches`` is ``None`` for formats without a signature (text).

    ``drawn`` says whether render.py can draw its pages, ``in_batches`` whether its module's
    ``parse(path, rest, enough)`` can stop between pages and go on from there, and ``page`` what
    people call a page of it.
    """

    media_type: str
    name: str
    extensions: tuple[str, ...]
    module: str
    aliases: tuple[str, ...] = ()
    matches: Callable[[Sample], bool] | None = None
    drawn: bool = False
    in_batches: bool = False
    page: str = "page"


def _is_pdf(sample: Sample) -> bool:
    return sample.head[:1024].lstrip().startswith(b"%PDF-")


def _has_folder(folder: str) -> Callable[[Sample], bool]:
    return lambda sample: any(name.startswith(folder) for name in sample.members)


def _is_mail(sample: Sample) -> bool:
    # People begin texts with "From:" and "Subject:"; the other fields only programs write.
    names = _header_names(sample.head)
    return b"mime-version" in names or (
        b"from" in names and not names.isdisjoint((b"received", b"message-id"))
    )


def could_be_mail(sample: Sample) -> bool:
    """Whether a file that is said to be a mail begins like one, or like a mailbox of one."""
    line, _, rest = sample.head.partition(b"\n")
    head = rest if line.startswith(b"From ") else sample.head
    return not _OF_MAIL.isdisjoint(_header_names(head))


def _header_names(head: bytes) -> set[bytes]:
    """Names of the header fields that a file begins with; none if its first line is no field."""
    names: set[bytes] = set()
    for line in head.splitlines():
        field = _FIELD.match(line)
        if field is not None:
            names.add(field[1].lower())
        elif not (names and line.startswith((b" ", b"\t")) and line.strip()):
            break
    return names


def _is_epub(sample: Sample) -> bool:
    return sample.mimetype == "application/epub+zip" or "META-INF/container.xml" in sample.members


def _is_rtf(sample: Sample) -> bool:
    return sample.head.lstrip().startswith(b"{\\rtf")


def _begins(*marks: bytes) -> Callable[[Sample], bool]:
    return lambda sample: sample.head.startswith(marks)


def _is_webp(sample: Sample) -> bool:
    return sample.head.startswith(b"RIFF") and sample.head[8:12] == b"WEBP"


def _is_bmp(sample: Sample) -> bool:
    # Two letters are too few to tell it from text; the header's length follows.
    length = int.from_bytes(sample.head[14:18], "little")
    return sample.head.startswith(b"BM") and length in (12, 40, 52, 56, 64, 108, 124)


def _image(
    name: str,
    extensions: tuple[str, ...],
    matches: Callable[[Sample], bool],
    aliases: tuple[str, ...] = (),
) -> Format:
    return Format(
        media_type=f"image/{name.lower()}",
        name=name,
        extensions=extensions,
        module="ingest.parse.image",
        aliases=aliases,
        matches=matches,
        drawn=True,
        in_batches=True,
    )


def _says(mimetype: str) -> Callable[[Sample], bool]:
    return lambda sample: sample.mimetype.startswith(mimetype)


def _is_xls(sample: Sample) -> bool:
    # A Word document may hold a workbook, whose stream comes after its own.
    telling = ("WordDocument", "PowerPoint Document", "EncryptedPackage", "Workbook", "Book")
    first = next((stream for stream in sample.streams if stream in telling), "")
    return first in ("Workbook", "Book")


def _is_xlsx(sample: Sample) -> bool:
    is_binary = "xl/workbook.bin" in sample.members  # XLSB: the same folder, other parts
    return not is_binary and any(name.startswith("xl/") for name in sample.members)


FORMATS: tuple[Format, ...] = (
    Format(
        media_type="application/pdf",
        name="PDF",
        extensions=(".pdf",),
        module="ingest.parse.pdf",
        aliases=("application/x-pdf",),
        matches=_is_pdf,
        drawn=True,
        in_batches=True,
    ),
    Format(
        media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        name="Word (DOCX)",
        extensions=(".docx",),
        module="ingest.parse.docx",
        matches=_has_folder("word/"),
    ),
    Format(
        media_type="message/rfc822",
        name="e-mail (EML)",
        extensions=(".eml",),
        module="ingest.parse.eml",
        matches=_is_mail,
    ),
    Format(
        media_type="application/epub+zip",
        name="EPUB",
        extensions=(".epub",),
        module="ingest.parse.epub",
        matches=_is_epub,
    ),
    Format(
        media_type="application/rtf",
        name="rich text (RTF)",
        extensions=(".rtf",),
        module="ingest.parse.rtf",
        aliases=("text/rtf", "text/richtext"),
        matches=_is_rtf,
    ),
    _image("PNG", (".png",), _begins(b"\x89PNG\r\n\x1a\n")),
    _image("JPEG", (".jpg", ".jpeg", ".jpe"), _begins(b"\xff\xd8\xff"), ("image/jpg",)),
    _image("TIFF", (".tif", ".tiff"), _begins(b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
    _image("WebP", (".webp",), _is_webp),
    _image("BMP", (".bmp", ".dib"), _is_bmp, ("image/x-ms-bmp",)),
    _image("GIF", (".gif",), _begins(b"GIF87a", b"GIF89a")),
    Format(
        media_type="application/vnd.openxmlformats-officedocument.presentationml.presentation",
        name="PowerPoint (PPTX)",
        extensions=(".pptx", ".pptm", ".ppsx", ".potx"),
        module="ingest.parse.pptx",
        aliases=(
            "application/vnd.openxmlformats-officedocument.presentationml.slideshow",
            "application/vnd.ms-powerpoint.presentation.macroenabled.12",
        ),
        matches=_has_folder("ppt/"),
        page="slide",
    ),
    Format(
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        name="Excel (XLSX)",
        extensions=(".xlsx", ".xlsm", ".xltx", ".xltm"),
        module="ingest.parse.xlsx",
        aliases=("application/vnd.ms-excel.sheet.macroenabled.12",),
        matches=_is_xlsx,
        page="sheet",
    ),
    Format(
        media_type="application/vnd.ms-excel",
        name="Excel 97-2003 (XLS)",
        extensions=(".xls", ".xlt"),
        module="ingest.parse.xls",
        matches=_is_xls,
        page="sheet",
    ),
    Format(
        media_type="application/vnd.oasis.opendocument.text",
        name="OpenDocument text (ODT)",
        extensions=(".odt", ".ott"),
        module="ingest.parse.odt",
        matches=_says("application/vnd.oasis.opendocument.text"),
    ),
    Format(
        media_type="application/vnd.oasis.opendocument.spreadsheet",
        name="OpenDocument sheets (ODS)",
        extensions=(".ods", ".ots"),
        module="ingest.parse.ods",
        matches=_says("application/vnd.oasis.opendocument.spreadsheet"),
        page="sheet",
    ),
    Format(
        media_type="application/vnd.oasis.opendocument.presentation",
        name="OpenDocument slides (ODP)",
        extensions=(".odp", ".otp"),
        module="ingest.parse.odp",
        matches=_says("application/vnd.oasis.opendocument.presentation"),
        page="slide",
    ),
    Format(
        media_type="application/vnd.ms-outlook",
        name="Outlook message (MSG)",
        extensions=(".msg",),
        module="ingest.parse.msg",
        matches=lambda sample: "__nameid_version1.0" in sample.streams,
    ),
    Format(
        # Every Office file is an archive too: detect.py decides when nothing else matches.
        media_type="application/zip",
        name="zip archives of these",
        extensions=(".zip",),
        module="ingest.parse.zip",
        aliases=("application/x-zip-compressed",),
    ),
    Format(
        media_type="text/html",
        name="HTML",
        extensions=(".html", ".htm", ".xhtml"),
        module="ingest.parse.html",
        aliases=("application/xhtml+xml",),
    ),
    Format(
        media_type="text/markdown",
        name="Markdown",
        extensions=(".md", ".markdown", ".mdown", ".mkd"),
        module="ingest.parse.markdown",
        aliases=("text/x-markdown",),
    ),
    Format(
        media_type="text/csv",
        name="CSV",
        extensions=(".csv", ".tsv", ".tab"),
        module="ingest.parse.delimited",
        aliases=("text/tab-separated-values", "application/csv"),
    ),
    Format(
        media_type="application/json",
        name="JSON",
        extensions=(".json", ".jsonl", ".ndjson"),
        module="ingest.parse.json_text",
        aliases=("application/x-ndjson", "application/jsonl"),
    ),
    Format(
        media_type="text/plain",
        name="plain text",
        extensions=(".txt", ".text", ".log"),
        module="ingest.parse.text",
    ),
)

BY_MEDIA_TYPE = {
    media_type: row for row in FORMATS for media_type in (row.media_type, *row.aliases)
}
BY_EXTENSION = {extension: row for row in FORMATS for extension in row.extensions}
