"""Documents from the sandbox: all at once, or batch by batch.

A document with pages is read for some seconds at a time. What is needed to go on behind a
batch may be kept with it, so that a long scan does not start over after a crash.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.parse.options import INSTALLED
from ingest.parse.parts import (
    FrameError,
    Part,
    assemble,
    part_from_frame,
    part_to_frame,
    read_frame,
    write_frame,
)
from ingest.parse.sandbox import POOL, Frame, Limits
from rag.errors import CorruptDocument
from rag.types import ParsedDocument, ReadSoFar

_NONSENSE = "the parser sent a reply that makes no sense"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A stretch of a document; ``so_far`` is ``None`` with the last."""

    parts: Sequence[Part]
    so_far: ReadSoFar | None


def read(
    path: Path,
    media_type: str,
    *,
    after: ReadSoFar | None = None,
    limits: Limits | None = None,
    folder: Path | None = None,
    ocr_languages: str = INSTALLED,
    password: str | None = None,
) -> Batch:
    """Read a stored file in a child process: all of it, or as much as one batch holds.

    Args:
        path: The file.
        media_type: One of those that ``detect`` returns.
        after: Where the batch before ended.
        limits: What the batch may cost.
        folder: The only one that the child can read, and is kept for; by default the file's.
        ocr_languages: What to recognize in images, as Tesseract names it and joined by ``+``;
            ``none`` for nothing, ``installed`` for all languages that are there.
        password: What opens it, should it be locked.

    Raises:
        DocumentError: The document cannot be read; the message says why.
        FileNotFoundError: There is no such file.
    """
    characters = after.characters if after else 0
    request = {
        "do": "parse",
        "media_type": media_type,
        "characters": characters,
        "ocr_languages": ocr_languages,
        "password": password,
        **place(path, folder),
    }
    frames = POOL.run(request, limits or Limits(), after.state if after else b"")
    try:
        ends = bool(frames) and "rest" in frames[-1][0]
        parts = [part_from_frame(*frame) for frame in (frames[:-1] if ends else frames)]
        characters += sum(len(part.text) for part in parts)
        return Batch(parts=parts, so_far=_so_far(frames[-1], characters, after) if ends else None)
    except FrameError:
        raise CorruptDocument(_NONSENSE) from None


def parse(path: Path, media_type: str, **options: Any) -> ParsedDocument:
    """Read a stored file to its end, with the options of ``read``; safe in several threads."""
    parts: list[Part] = []
    after: ReadSoFar | None = None
    while True:
        batch = read(path, media_type, after=after, **options)
        parts += batch.parts
        after = batch.so_far
        if after is None:
            return assembled(parts, media_type)


def assembled(parts: Iterable[Part], media_type: str) -> ParsedDocument:
    """The document that the parts of all batches make.

    Raises:
        CorruptDocument: They make none.
    """
    try:
        return assemble(parts, media_type)
    except FrameError:
        raise CorruptDocument(_NONSENSE) from None


def packed(parts: Iterable[Part]) -> bytes:
    """Parts to be kept until the document is read to its end."""
    stream = io.BytesIO()
    for part in parts:
        write_frame(stream, *part_to_frame(part))
    return zlib.compress(stream.getbuffer(), 1)


def unpacked(kept: bytes) -> Iterator[Part]:
    """The parts in what ``packed`` made."""
    stream = io.BytesIO(zlib.decompress(kept))
    while (frame := read_frame(stream, len(stream.getbuffer()))) is not None:
        yield part_from_frame(*frame)


def place(path: Path, folder: Path | None) -> dict[str, str]:
    """Where a request's file lies.

    Raises:
        FileNotFoundError: There is no such file.
    """
    path = path.resolve(strict=True)
    return {"path": str(path), "folder": str(folder.resolve() if folder else path.parent)}


def _so_far(frame: Frame, characters: int, before: ReadSoFar | None) -> ReadSoFar:
    header, state = frame
    match header["rest"]:
        case [int(done), int(total)] if (before.done if before else 0) < done <= total:
            return ReadSoFar(done=done, total=total, characters=characters, state=state)
    raise FrameError("no progress")
