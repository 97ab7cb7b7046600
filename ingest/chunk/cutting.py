"""A document cut into chunks, and what else is kept of its text: in this process or a child.

What the two processes say to each other is defined here, for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

import numpy as np

from ingest.chunk import open_chunker
from ingest.chunk.packing import chunk_of
from ingest.parse.parts import FrameError, Part, part_from_frame, part_to_frame
from rag.embedding import Embedder
from rag.embedding.tokens import Tokens
from rag.minhash import Likeness, likeness, pack, unpack
from rag.types import Chunk, Ids, ParsedDocument

Frame: TypeAlias = tuple[dict[str, Any], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The chunks of a document in order, and what tells it from others."""

    chunks: Sequence[Chunk]
    likeness: Likeness


def cut(document: ParsedDocument, config: Mapping[str, Any], embedder: Embedder) -> Cut:
    """Cut a document as a collection's settings say.

    Raises:
        DocumentError: It cannot be cut like this.
    """
    chunks = open_chunker(config).chunk(document, embedder)
    return Cut(chunks=chunks, likeness=likeness(document.text))


def to_request(document: ParsedDocument, config: Mapping[str, Any], tokenizer: str) -> Frame:
    """What a child needs to cut a document with a strategy that only counts tokens."""
    definition = tokenizer.encode()
    header, blob = part_to_frame(Part(text=document.text, blocks=document.blocks))
    fields = {"do": "cut", "config": dict(config), "tokenizer": len(definition)}
    return {**fields, **header}, definition + blob


def reply_to(request: Mapping[str, Any], blob: bytes) -> Frame:
    """The child's side: cut what it was sent."""
    size = request["tokenizer"]
    part = part_from_frame(request, blob[size:])
    document = ParsedDocument(text=part.text, media_type="text/plain", blocks=part.blocks)
    found = cut(document, request["config"], cast(Embedder, _tokens(blob[:size])))
    spans = np.array([(one.start, one.end, one.tokens) for one in found.chunks], dtype="<i4")
    known = found.likeness
    return {"chunks": len(spans)}, spans.tobytes() + known.words_sha256 + pack(known.sketch)


def from_reply(frame: Frame, document: ParsedDocument) -> Cut:
    """What the child found.

    Raises:
        FrameError: It makes no sense.
    """
    header, blob = frame
    try:
        count = int(header["chunks"])
        end = 12 * count
        spans = np.frombuffer(blob[:end], "<i4").reshape(count, 3)
        if len(blob) < end + _SHA256 or not _within(spans, len(document.text)):
            raise ValueError
        known = Likeness(
            words_sha256=blob[end : end + _SHA256], sketch=unpack(blob[end + _SHA256 :])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError("no chunks") from error
    rows = enumerate(spans.tolist())
    return Cut(chunks=[chunk_of(document.text, place, *row) for place, row in rows], likeness=known)


_SHA256 = 32


def _within(spans: Ids, length: int) -> bool:
    return bool(np.all((spans[:, 0] >= 0) & (spans[:, 0] < spans[:, 1]) & (spans[:, 1] <= length)))


class _TokensOnly:
    """As much of an embedder as there is in a child."""

    def __init__(self, definition: str) -> None:
        self._tokens = Tokens(definition)

    def token_offsets(self, text: str) -> Ids:
        return self._tokens.offsets(text)


@lru_cache(maxsize=2)
def _tokens(definition: bytes) -> _TokensOnly:
    return _TokensOnly(definition.decode())
