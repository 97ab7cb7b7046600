"""What e-mails of every format have in common: the shape of their text, and their charsets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from email.errors import HeaderParseError
from email.header import decode_header
from itertools import accumulate

from ingest.parse.encoding import Decoded, decode, storable
from ingest.parse.html import read_page
from ingest.parse.parts import Part
from rag.errors import EmptyDocument
from rag.types import Attachment, Block

HEADERS = ("From", "To", "Cc", "Date", "Subject")
"""What stands above the body, in this order, as far as a mail has it."""

_GAP = "\n\n"
_LONGEST_HEADER = 10_000
_DECORATION_BYTES = 16_384
_STYLES = ("text/css", "text/javascript", "application/javascript")
_NAME = re.compile(r"[-\w:.]{2,40}", re.ASCII)
# What programs write when they mean more than the name says.
_MEANT = {"gb2312": "gb18030", "ks_c_5601-1987": "cp949", "iso-8859-1": "cp1252"}
# These use ASCII bytes for other letters, so that their bytes are valid UTF-8 as well.
_SHIFTED = ("iso-2022", "hz", "utf-7")


@dataclass(slots=True, kw_only=True)
class Mail:
    """What was found in a mail; ``part`` makes one text of it."""

    headers: dict[str, str]
    bodies: list[Part] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _decorations: int = 0

    def add_text(self, data: bytes, charset: str | None) -> None:
        """A plain body."""
        decoded = decode_text(data, charset)
        text = decoded.text.replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()
        if text:
            self._warn_if_replaced(decoded)
            self.bodies.append(Part(text=storable(text)))

    def add_page(self, data: bytes, charset: str | None) -> None:
        """A body in HTML; one without text is left out."""
        if charset is not None:
            decoded = decode_text(data, charset)
            self._warn_if_replaced(decoded)
            data, charset = decoded.text.encode("utf-8", "replace"), "utf-8"
        try:
            self.bodies.append(read_page(data, charset))
        except EmptyDocument:
            return

    def attach(self, attachment: Attachment, *, inline: bool) -> None:
        """A file; what only decorates the body is left out, small pictures being counted."""
        kind = attachment.media_type or ""
        is_small = len(attachment.content) < _DECORATION_BYTES
        if inline and kind.startswith("image/") and is_small:
            self._decorations += 1
        elif kind in _STYLES:
            return
        elif attachment.content:
            self.attachments.append(attachment)
        else:
            self.warnings.append(f"the attachment {attachment.name!r} is empty")

    def part(self) -> Part:
        """Headers, then the bodies; the subject is the title.

        Raises:
            EmptyDocument: there are neither headers nor anything else.
        """
        lines = [f"{name}: {self.headers[name]}" for name in HEADERS if self.headers.get(name)]
        if not (lines or self.bodies or self.attachments):
            raise EmptyDocument("the e-mail has no headers, no text and no attachments")
        if not self.bodies:
            self.warnings.append("the e-mail has no text but its headers")
        if self._decorations:
            self.warnings.append(
                f"small pictures within the text were left out: {self._decorations}"
            )
        head = Part(text=storable("\n".join(lines)))
        parts = [part for part in (head, *self.bodies) if part.text]
        return Part(
            text=_GAP.join(part.text for part in parts),
            title=storable(self.headers.get("Subject", "")[:300]) or None,
            blocks=tuple(_placed_blocks(parts)),
            attachments=tuple(self.attachments),
            warnings=(*self.warnings, *(w for part in self.bodies for w in part.warnings)),
        )

    def _warn_if_replaced(self, decoded: Decoded) -> None:
        if not decoded.exact:
            self.warnings.append(f"some bytes of the text are not valid {decoded.encoding}")


def decode_words(raw: str) -> str:
    """A header as a person reads it: unfolded, encoded words decoded, and bytes that should be."""
    line = _one_line(decode(raw.encode("utf-8", "surrogateescape")).text)
    try:
        pieces = decode_header(line)
    except (HeaderParseError, ValueError):
        return line
    texts = (
        piece if isinstance(piece, str) else decode_text(piece, charset).text
        for piece, charset in pieces
    )
    return _one_line("".join(texts))


def decode_text(data: bytes, charset: str | None) -> Decoded:
    """Text in the charset that a mail names, as far as that can be believed."""
    if charset is None or not _NAME.fullmatch(charset):
        return decode(data)
    charset = _MEANT.get(charset.lower(), charset.lower())
    if charset.startswith(_SHIFTED):
        try:
            return Decoded(text=data.decode(charset), encoding=charset)
        except (UnicodeError, LookupError):
            return decode(data)
    return decode(data, charset)


def _one_line(text: str) -> str:
    """No longer than anybody reads."""
    return " ".join(text[:_LONGEST_HEADER].split())


def _placed_blocks(parts: Sequence[Part]) -> Iterable[Block]:
    """The blocks of all parts, moved to where each part stands in the whole."""
    starts = accumulate((len(part.text) + len(_GAP) for part in parts), initial=0)
    for start, part in zip(starts, parts, strict=False):
        for block in part.blocks:
            cells = (replace(c, start=c.start + start, end=c.end + start) for c in block.cells)
            yield replace(
                block, start=block.start + start, end=block.end + start, cells=tuple(cells)
            )
