"""Spans that somebody else has chosen, made into chunks that fit."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.chunk.measure import measured
from ingest.chunk.packing import chunk_of, trimmed
from ingest.chunk.recursive import RecursiveChunker
from rag.embedding import Embedder
from rag.types import Chunk, ParsedDocument, Span


def cut_spans(text: str, spans: Iterable[Span], embedder: Embedder, size: int) -> list[Chunk]:
    """One chunk for each span that has any text; several where it has more than ``size`` tokens.

    Both starts and ends of the spans ascend.
    """
    chunks: list[Chunk] = []
    smaller = RecursiveChunker(size=size, overlap=0)
    for span in spans:
        # Where the span before had to be divided, its last piece may start behind this one.
        covered = bool(chunks) and span.start <= chunks[-1].start
        start, end = trimmed(text, chunks[-1].end if covered else span.start, span.end)
        if start >= end:
            continue
        part = ParsedDocument(text=text[start:end], media_type="text/plain")
        tokens = embedder.token_offsets(part.text)
        pieces = [(start, end, len(tokens))]
        if len(measured(part.text, tokens)) > size:
            found = smaller.chunk(part, embedder)
            pieces = [(start + one.start, start + one.end, one.tokens) for one in found]
        for piece in pieces:
            if not chunks or piece[1] > chunks[-1].end:
                chunks.append(chunk_of(text, len(chunks), *piece))
    return chunks
