"""What a parser yields, and how it travels from the child process to its parent.

A frame is two little-endian uint32 (lengths of header and blob), a JSON header, and a blob
of text (UTF-8), character boxes and attached files. So headers stay small, which grow several
times in memory. Nothing that a parser sends is trusted: ``assemble`` checks every number.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from rag.types import Attachment, Block, BlockKind, Page, PageSource, ParsedDocument, TableCell

_LENGTHS = struct.Struct("<II")
BOX_BYTES = 8


class FrameError(Exception):
    """Bytes that are no frame, or a frame that says impossible things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """How much of a document was read, in pages, and what its parser needs to go on: JSON."""

    done: int
    total: int
    seen: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a document, in order; offsets of pages and blocks are the document's.

    One with a ``rest`` is the last of a call that stopped before the end. ``locked`` says that
    there is more, which a password might open.
    """

    text: str = ""
    title: str | None = None
    pages: tuple[Page, ...] = ()
    blocks: tuple[Block, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    warnings: tuple[str, ...] = ()
    locked: bool = False
    rest: Rest | None = None


def write_frame(stream: IO[bytes], header: Mapping[str, Any], blob: bytes = b"") -> None:
    """Send one frame at once."""
    encoded = json.dumps(header, separators=(",", ":")).encode("ascii")
    stream.write(_LENGTHS.pack(len(encoded), len(blob)) + encoded)
    stream.write(blob)
    stream.flush()


def read_frame(
    stream: IO[bytes], limit: int, admit: Callable[[int, int], None] = lambda _header, _blob: None
) -> tuple[dict[str, Any], bytes] | None:
    """Receive one frame of at most ``limit`` bytes; ``None`` where the stream ends.

    ``admit`` is told the bytes of header and blob before they are read, and may refuse them.

    Raises:
        FrameError: The frame is larger than ``limit``, cut off, or no JSON object.
    """
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header_size, blob_size = _LENGTHS.unpack(lengths)
    if header_size + blob_size > limit:
        raise FrameError("too large")
    admit(header_size, blob_size)
    encoded, blob = stream.read(header_size), stream.read(blob_size)
    if len(encoded) < header_size or len(blob) < blob_size:
        return None
    try:
        header = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise FrameError("not JSON") from error
    if not isinstance(header, dict):
        raise FrameError("not an object")
    return header, blob


def part_to_frame(part: Part) -> tuple[dict[str, Any], bytes]:
    """Header and blob of a part."""
    text = part.text.encode("utf-8", "surrogatepass")
    header = {
        "part": {
            "text": len(text),
            "title": part.title,
            "pages": [
                [p.number, p.start, p.end, p.width, p.height, p.source, len(p.boxes)]
                for p in part.pages
            ],
            "blocks": [[b.kind, b.start, b.end, b.level, cell_rows(b)] for b in part.blocks],
            "attachments": [[a.name, a.media_type, len(a.content)] for a in part.attachments],
            "warnings": part.warnings,
            "locked": part.locked,
        }
    }
    blobs = [text, *(page.boxes for page in part.pages), *(a.content for a in part.attachments)]
    return header, b"".join(blobs)


def rest_to_frame(rest: Rest) -> tuple[dict[str, Any], bytes]:
    """Header and blob of a rest. The blob is nobody's business but that parser's."""
    header = {"rest": [rest.done, rest.total]}
    return header, zlib.compress(json.dumps([*header["rest"], rest.seen]).encode("ascii"), 1)


def rest_from(blob: bytes) -> Rest | None:
    """The rest in a frame's blob; ``None`` of no bytes."""
    if not blob:
        return None
    done, total, seen = json.loads(zlib.decompress(blob))
    return Rest(done=done, total=total, seen=seen)


def cell_rows(block: Block) -> list[list[int]]:
    """A table's cells as lists of row, column, start and end."""
    return [[c.row, c.column, c.start, c.end] for c in block.cells]


def part_from_frame(header: Mapping[str, Any], blob: bytes) -> Part:
    """The part that a frame holds.

    Raises:
        FrameError: The header does not have the shape that ``part_to_frame`` makes.
    """
    try:
        fields = header["part"]
        pages, offset = [], int(fields["text"])
        if not 0 <= offset <= len(blob):
            raise ValueError
        text = blob[:offset].decode("utf-8", "surrogatepass")
        for number, start, end, width, height, source, length in fields["pages"]:
            boxes = blob[offset : offset + length]
            offset += length
            pages.append(
                Page(
                    number=int(number),
                    start=int(start),
                    end=int(end),
                    width=float(width),
                    height=float(height),
                    source=PageSource(source),
                    boxes=boxes,
                )
            )
        attachments = []
        for name, media_type, length in fields["attachments"]:
            content = blob[offset : offset + length]
            offset += length
            attachments.append(
                Attachment(
                    name=str(name),
                    media_type=None if media_type is None else str(media_type),
                    content=content,
                )
            )
        blocks = tuple(
            Block(
                kind=BlockKind(kind),
                start=int(start),
                end=int(end),
                level=int(level),
                cells=tuple(
                    TableCell(row=int(row), column=int(column), start=int(first), end=int(last))
                    for row, column, first, last in cells
                ),
            )
            for kind, start, end, level, cells in fields["blocks"]
        )
        return Part(
            text=text,
            title=None if fields["title"] is None else str(fields["title"]),
            pages=tuple(pages),
            blocks=blocks,
            attachments=tuple(attachments),
            warnings=tuple(str(warning) for warning in fields["warnings"]),
            locked=bool(fields["locked"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FrameError("no part") from error


def assemble(parts: Iterable[Part], media_type: str) -> ParsedDocument:
    """One document from its parts.

    Raises:
        FrameError: Spans outside the text, pages that do not follow one another, or boxes
            that are not one per code point.
    """
    texts: list[str] = []
    pages: list[Page] = []
    blocks: list[Block] = []
    attachments: list[Attachment] = []
    warnings: list[str] = []
    title, locked = None, False
    for part in parts:
        texts.append(part.text)
        pages += part.pages
        blocks += part.blocks
        attachments += part.attachments
        warnings += part.warnings
        title = part.title or title
        locked |= part.locked
    text = "".join(texts)
    blocks.sort(key=lambda block: block.start)  # headings may come behind all else
    _check(len(text), pages, blocks)
    return ParsedDocument(
        text=text,
        media_type=media_type,
        title=title,
        pages=tuple(pages),
        blocks=tuple(blocks),
        attachments=tuple(attachments),
        warnings=tuple(warnings),
        locked=locked,
    )


def _check(length: int, pages: list[Page], blocks: list[Block]) -> None:
    end = 0
    for page in pages:
        if page.start != end or page.end < page.start:
            raise FrameError("pages do not cover the text")
        if page.boxes and len(page.boxes) != BOX_BYTES * (page.end - page.start):
            raise FrameError("boxes do not match the text")
        end = page.end
    if pages and end != length:
        raise FrameError("pages do not cover the text")
    if any(not 0 <= block.start < block.end <= length for block in blocks):
        raise FrameError("a block lies outside the text")
    for block in blocks:
        if any(not block.start <= c.start <= c.end <= block.end for c in block.cells):
            raise FrameError("a cell lies outside its table")
        if any(cell.row < 0 or cell.column < 0 for cell in block.cells):
            raise FrameError("a cell has no place in its table")
