"""Plain text: stored as decoded, line endings and all, so that a caller's offsets hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ingest.parse.encoding import decode, storable
from ingest.parse.parts import Part
from rag.errors import EmptyDocument


def parse(path: Path) -> Iterator[Part]:
    """The whole file as one part.

    Raises:
        EmptyDocument: There is nothing but white space.
    """
    text, warnings = read_text(path)
    yield Part(text=text, warnings=warnings)


def read_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """Decoded text that a database can store, and what was replaced to get it.

    Raises:
        EmptyDocument: There is nothing but white space.
    """
    decoded = decode(path.read_bytes())
    if not decoded.text.strip():
        raise EmptyDocument("the document contains only white space")
    warnings = []
    if not decoded.exact:
        warnings.append(
            f"some bytes are not valid {decoded.encoding}; they were replaced by \ufffd"
        )
    text = storable(decoded.text)
    if text != decoded.text:
        warnings.append("NUL characters or lone surrogates were replaced by \ufffd")
    return text, tuple(warnings)
