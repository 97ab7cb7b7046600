"""Chunks of at most so many tokens, cut where the text itself is cut.

A cut is looked for in the second half of what fits: before a heading, else between
paragraphs, else between lines, sentences, words, and only then between any two tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ingest.chunk.options import Windowed
from ingest.chunk.packing import (
    HEADING,
    LINE,
    NEVER,
    PARAGRAPH,
    SENTENCE,
    TOKEN,
    WORD,
    Levels,
    Pattern,
    Plan,
    best,
    levels_of,
    pack,
)
from ingest.chunk.units import Units, units
from rag.embedding import Embedder
from rag.types import BlockKind, Chunk, ParsedDocument

_NEWLINE = r"(?:\r\n|[\r\n])"
_NEW_START = r"(?![^\S\r\n]*[^\W\d_A-Z])"  # a line that goes on with a small letter was wrapped
BREAKS: tuple[Pattern, ...] = (
    (re.compile(r"\s+"), WORD),
    (re.compile(r"[.!?…][\"'”\u2019»)\]]*\s+"), SENTENCE),
    (re.compile(r"[。\uff01\uff1f｡]+[”\u2019」』\uff09]*\s*"), SENTENCE),  # needs no space
    # Wrapped prose breaks lines anywhere; tables, lists and code break after these, or early.
    (re.compile(rf"(?<=[.:;!?…)\]|%{{}}>\"”\d])[^\S\r\n]*{_NEWLINE}{_NEW_START}"), LINE),
    (re.compile(rf"(?m)^[^\r\n]{{1,40}}{_NEWLINE}{_NEW_START}"), LINE),
    (re.compile(rf"{_NEWLINE}[^\S\r\n]*{_NEWLINE}\s*"), PARAGRAPH),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecursiveChunker(Windowed):
    """At most ``size`` tokens a chunk, starting up to ``overlap`` tokens before the last cut."""

    def chunk(self, document: ParsedDocument, embedder: Embedder) -> list[Chunk]:
        """Chunks in document order; token counts are those of each chunk's own text."""
        found = units(document.text, embedder.token_offsets)
        levels = _levels(document, found)

        def end(first: int, cut: int) -> int:
            limit = first + self.size
            if limit >= len(found):
                return len(found)
            return best(levels, min(max(cut + 1, first + self.size // 2), limit), limit)

        def start(first: int, cut: int) -> int:
            if levels[cut] == HEADING:
                return cut
            return within_overlap(levels, first, cut, self.overlap, (SENTENCE, WORD, TOKEN))

        plan = Plan(size=self.size, levels=levels, end=end, start=start)
        return pack(document.text, embedder.token_offsets, found, plan)


def within_overlap(
    levels: Levels, first: int, cut: int, overlap: int, accepted: tuple[int, ...]
) -> int:
    """Where the next chunk starts: at the earliest good place within the overlap."""
    if cut >= len(levels) - 1 or not overlap:
        return cut
    low = max(first + 1, cut - overlap)
    for level in accepted:
        at = np.flatnonzero(levels[low:cut] >= level)
        if len(at):
            return low + int(at[0])
    return cut


def _levels(document: ParsedDocument, found: Units) -> Levels:
    levels = levels_of(document.text, found, BREAKS)
    headings = [block for block in document.blocks if block.kind is BlockKind.HEADING]
    after = found.from_position(np.array([block.end for block in headings], dtype=np.int32))
    before = found.from_position(np.array([block.start for block in headings], dtype=np.int32))
    levels[after] = np.minimum(levels[after], WORD)  # a heading stays with what it heads
    levels[before[levels[before] != NEVER]] = HEADING
    return levels
