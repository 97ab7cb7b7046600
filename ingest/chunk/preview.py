"""What a strategy makes of a text: chunks, the sections they stand in, and a few figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ingest.chunk import open_chunker
from rag.embedding import Embedder
from rag.errors import EmptyDocument
from rag.headings import LONGEST, Heading, heading_paths
from rag.types import BlockKind, Chunk, ParsedDocument

_UNDERLINE = re.compile(r" (?:=+|-+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Of all chunks of a document; ``repeated`` characters are in two chunks."""

    chunks: int
    tokens: int
    fewest_tokens: int
    median_tokens: float
    most_tokens: int
    repeated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The chunks of a document, for each the headings above it, and what they add up to."""

    document: ParsedDocument
    chunks: Sequence[Chunk]
    heading_paths: Sequence[tuple[str, ...]]
    statistics: Statistics


def preview(document: ParsedDocument, config: Mapping[str, Any], embedder: Embedder) -> Preview:
    """Cut a document as a collection with these settings would.

    Raises:
        InvalidRequest: The settings make no sense.
        DocumentError: There is no text, or it cannot be cut like this.
    """
    chunks = open_chunker(config).chunk(document, embedder)
    if not chunks:
        raise EmptyDocument("No text was found in the document.")
    headings = [
        Heading(one.start, one.level, _words(document.text[one.start : one.end]))
        for one in document.blocks
        if one.kind is BlockKind.HEADING
    ]
    headings.sort(key=lambda one: one.start)
    tokens = [chunk.tokens for chunk in chunks]
    ends = [0, *(chunk.end for chunk in chunks)]
    return Preview(
        document=document,
        chunks=chunks,
        heading_paths=list(heading_paths(headings, (chunk.start for chunk in chunks))),
        statistics=Statistics(
            chunks=len(chunks),
            tokens=sum(tokens),
            fewest_tokens=min(tokens),
            median_tokens=median(tokens),
            most_tokens=max(tokens),
            repeated=sum(max(0, end - c.start) for c, end in zip(chunks, ends, strict=False)),
        ),
    )


def _words(heading: str) -> str:
    """On one line, without the marks of Markdown."""
    return _UNDERLINE.sub("", " ".join(heading.split()).lstrip("#").strip())[:LONGEST]
