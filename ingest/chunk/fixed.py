"""Windows of a fixed number of tokens, whatever the text says; words stay whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingest.chunk.options import Windowed
from ingest.chunk.packing import TOKEN, WORD, Plan, best, levels_of, pack
from ingest.chunk.recursive import within_overlap
from ingest.chunk.units import units
from rag.embedding import Embedder
from rag.types import Chunk, ParsedDocument

_SPACE = ((re.compile(r"\s+"), WORD),)
_WORD_TOKENS = 8
"""A word of more tokens than this is divided rather than left to the next window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedChunker(Windowed):
    """``size`` tokens a chunk, the next one starting ``overlap`` tokens before its end."""

    def chunk(self, document: ParsedDocument, embedder: Embedder) -> list[Chunk]:
        """Chunks in document order, as long as each other but for the last."""
        found = units(document.text, embedder.token_offsets)
        levels = levels_of(document.text, found, _SPACE)

        def end(first: int, cut: int) -> int:
            limit = first + self.size
            if limit >= len(found):
                return len(found)
            return best(levels, min(max(cut + 1, limit - _WORD_TOKENS), limit), limit)

        def start(first: int, cut: int) -> int:
            return within_overlap(levels, first, cut, self.overlap, (WORD, TOKEN))

        plan = Plan(size=self.size, levels=levels, end=end, start=start)
        return pack(document.text, embedder.token_offsets, found, plan)
