"""Whole sentences, of any language that ``rag.sentences`` knows, as many as fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest.chunk.options import check_size
from ingest.chunk.packing import LINE, SENTENCE, Plan, best, levels_of, pack, raise_to
from ingest.chunk.recursive import BREAKS
from ingest.chunk.units import units
from rag.embedding import Embedder
from rag.errors import InvalidRequest
from rag.sentences import split
from rag.types import Chunk, ParsedDocument

_MOST_OVERLAP = 20
_OPENS = LINE + 1
"""The level of a place where a sentence opens: above all that may stand inside of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceChunker:
    """Sentences of together at most ``size`` tokens; the last ``overlap`` of them come again.

    Fewer come again, or none, where the sentence after them would not fit as well. Only a
    sentence longer than a chunk is divided.
    """

    size: int = 200
    overlap: int = 1

    def __post_init__(self) -> None:
        """Refuse sizes with which no progress could be made.

        Raises:
            InvalidRequest: The size is too small, or the overlap not a sensible number.
        """
        check_size(self.size)
        if not 0 <= self.overlap <= _MOST_OVERLAP:
            raise InvalidRequest(
                f"overlap counts sentences here, and must be from 0 to {_MOST_OVERLAP}",
                param="chunking.overlap",
            )

    def chunk(self, document: ParsedDocument, embedder: Embedder) -> list[Chunk]:
        """Chunks in document order."""
        text = document.text
        found = units(text, embedder.token_offsets)
        levels = levels_of(text, found, ((p, min(level, SENTENCE)) for p, level in BREAKS))
        opens = np.array([span.start for span in split(text)], dtype=np.int32)
        raise_to(levels, found.from_position(opens), _OPENS)
        sentences = np.append(np.flatnonzero(levels[:-1] == _OPENS), len(found))

        def end(first: int, cut: int) -> int:
            limit = first + self.size
            if limit >= len(found):
                return len(found)
            return best(levels, min(cut + 1, limit), limit)

        def start(first: int, cut: int) -> int:
            if cut >= len(found) or levels[cut] != _OPENS or not self.overlap:
                return cut
            at = int(np.searchsorted(sentences, cut))
            room = int(sentences[at + 1]) - self.size  # from here on, the next one still fits
            again = sentences[max(0, at - self.overlap) : at]
            again = again[(again > first) & (again >= room)]
            return int(again[0]) if len(again) else cut

        plan = Plan(size=self.size, levels=levels, end=end, start=start)
        return pack(text, embedder.token_offsets, found, plan)
