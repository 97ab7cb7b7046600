"""What a file is, from its bytes, its name and what the sender says of it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ingest.parse.containers import EMPTY_ZIP, OLE, ZIP, ole_names, zip_mimetype, zip_names
from ingest.parse.encoding import looks_like_text, unicode_encoding
from ingest.parse.formats import (
    BY_EXTENSION,
    BY_MEDIA_TYPE,
    FORMATS,
    Format,
    Sample,
    could_be_mail,
)
from rag.errors import EmptyDocument, EncryptedDocument, UnsupportedType

_READABLE = (
    "PDF, Office, OpenDocument, EPUB, RTF, HTML, e-mail, text, CSV, JSON, images and zip archives "
    "of these can be read"
)
_HEAD = 1 << 16
_TAIL = 1 << 18
_PDF, _MAIL, _ZIP, _HTML, _PLAIN = (
    BY_EXTENSION[extension] for extension in (".pdf", ".eml", ".zip", ".html", ".txt")
)
_OFFICE = (".docx", ".pptx", ".xlsx", ".odt", ".ods", ".odp")

# Formats that are often sent and cannot be read yet: naming them makes the refusal clear.
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"RIFF", "an audio or video file"),
    (b"%!PS", "a PostScript document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3", "a database"),
    (OLE[:4], "an old Office document"),
)
# By the folder that their parts are in, and what their first member says.
_ZIPPED: tuple[tuple[str, str], ...] = (
    ("word/", "a Word document (DOCX)"),
    ("xl/", "an Excel workbook (XLSX)"),
    ("ppt/", "a PowerPoint presentation (PPTX)"),
    ("Index/", "an Apple iWork document"),
)
_MIMETYPES: tuple[tuple[str, str], ...] = (
    ("application/vnd.oasis.opendocument", "an OpenDocument file"),
)
# By the stream that only they have: what they are, and as what they can be saved.
_OLE: tuple[tuple[str, str, str], ...] = (
    ("WordDocument", "an old Word document (DOC)", "DOCX"),
    ("PowerPoint Document", "an old PowerPoint presentation (PPT)", "PPTX"),
)


def detect(path: Path, name: str, declared: str | None) -> str:
    """Media type of a file: its signature decides, else name, declared type and content.

    Args:
        path: The file; only its first and last bytes are read.
        name: Its name as the sender gave it, for the extension and for messages.
        declared: The sender's media type, if any; parameters such as charset are ignored.

    Raises:
        EmptyDocument: The file has no bytes.
        EncryptedDocument: An Office document locked with a password.
        UnsupportedType: None of the formats that can be read.
    """
    sample = _sample(path)
    if sample.size == 0:
        raise EmptyDocument(f"'{name}' is empty: it has no bytes")
    by_name = BY_EXTENSION.get(_suffix(name))
    claimed = BY_MEDIA_TYPE.get((declared or "").partition(";")[0].strip().lower())
    for row in FORMATS:
        if row.matches is not None and row.matches(sample):
            return row.media_type
    expected = by_name or claimed
    if _damaged_pdf(sample, expected):
        return _PDF.media_type
    if expected is not None and _damaged_office(sample, expected):
        return expected.media_type
    if _is_archive(sample, name, expected):
        return _ZIP.media_type
    _refuse_old_office(sample, name)
    _refuse_foreign(sample, name)
    if not looks_like_text(sample.head):
        raise UnsupportedType(f"'{name}' is binary data of unknown type; {_READABLE}")
    return _text_type(sample, by_name, claimed).media_type


def mismatch(name: str, media_type: str) -> str | None:
    """What to say of a file whose name promises another format than its content has."""
    suffix = _suffix(name)
    promised, found = BY_EXTENSION.get(suffix), BY_MEDIA_TYPE[media_type]
    if promised is None or promised is found:
        return None
    return f"named {suffix}, but it is {found.name}; read as {found.name}"


def _suffix(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()


def _sample(path: Path) -> Sample:
    with path.open("rb") as file:
        head = file.read(_HEAD)
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read(_TAIL)
        return Sample(
            head=head,
            tail=tail,
            size=size,
            members=zip_names(head, tail),
            mimetype=zip_mimetype(head),
            streams=ole_names(file, head),
        )


def _damaged_pdf(sample: Sample, expected: Format | None) -> bool:
    # Readers accept junk before the header, and a broken header when the rest is a PDF.
    if b"%PDF-" in sample.head[:1024] and not looks_like_text(sample.head[:512]):
        return True
    return expected is _PDF and any(
        mark in part
        for part in (sample.head, sample.tail)
        for mark in (b"%PDF-", b"startxref", b" obj")
    )


def _damaged_office(sample: Sample, expected: Format) -> bool:
    # The archive is cut off before anything tells what it is; its parser says so.
    return (
        sample.head.startswith(ZIP)
        and any(extension in _OFFICE for extension in expected.extensions)
        and _zipped_kind(sample) is None
    )


def _is_archive(sample: Sample, name: str, expected: Format | None) -> bool:
    # Programs and much else are archives by another name, and no good to unpack.
    is_meant = expected is _ZIP or not PurePosixPath(name).suffix
    return is_meant and sample.head.startswith((ZIP, EMPTY_ZIP)) and _zipped_kind(sample) is None


def _refuse_old_office(sample: Sample, name: str) -> None:
    if "EncryptedPackage" in sample.streams or _is_locked_office(sample):
        raise EncryptedDocument(
            f"'{name}' is locked with a password, and Office files cannot be opened with one here; "
            "open it in its program, save it without the password and upload that"
        )
    if "\x06DataSpaces" in sample.streams:
        raise EncryptedDocument(f"'{name}' is protected by rights management; save it without")
    for stream in sample.streams:
        for telling, kind, better in _OLE:
            if stream == telling:
                raise UnsupportedType(f"'{name}' is {kind}; save it as {better} and upload that")


def _refuse_foreign(sample: Sample, name: str) -> None:
    if sample.head.startswith(b"PK"):
        kind = _zipped_kind(sample) or "a zip archive"
        raise UnsupportedType(f"'{name}' is {kind}; {_READABLE}")
    for magic, kind in _FOREIGN:
        if not sample.head.startswith(magic):
            continue
        if len(magic) > 2 or not looks_like_text(sample.head):
            raise UnsupportedType(f"'{name}' is {kind}; {_READABLE}")


def _zipped_kind(sample: Sample) -> str | None:
    if "xl/workbook.bin" in sample.members:
        return "a binary Excel workbook (XLSB), which can be saved as XLSX"
    for mimetype, kind in _MIMETYPES:
        if sample.mimetype.startswith(mimetype):
            return kind
    for folder, kind in _ZIPPED:
        if any(name.startswith(folder) for name in sample.members):
            return kind
    return None


def _is_locked_office(sample: Sample) -> bool:
    marker = "EncryptedPackage".encode("utf-16-le")
    return sample.head.startswith(OLE[:4]) and (marker in sample.head or marker in sample.tail)


def _text_type(sample: Sample, by_name: Format | None, claimed: Format | None) -> Format:
    if (by_name or claimed) is _MAIL and could_be_mail(sample):
        return _MAIL
    for row in (by_name, claimed):
        if row is not None and row.matches is None and row is not _PLAIN:
            return row
    known = unicode_encoding(sample.head)
    encoding, mark = known or ("latin-1", 0)
    start = sample.head[mark:4096].decode(encoding, "replace").lstrip().lower()
    is_html = start.startswith(("<!doctype html", "<html")) or "<html" in start[:1024]
    if is_html and by_name is not _PLAIN:
        return _HTML
    return _PLAIN
