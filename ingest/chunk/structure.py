"""Chunks along a document's own structure: sections, and in them tables, lists and code.

What fits stays whole: a section before its parts, a table before its rows, a list before its
items. What does not fit is cut between these parts, and only inside of them where even one is
too long. No chunk goes on into a section of a higher rank than the one that it begins with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ingest.chunk import packing
from ingest.chunk.options import Windowed
from ingest.chunk.packing import (
    LINE,
    NEVER,
    SENTENCE,
    TOKEN,
    WORD,
    Levels,
    Plan,
    best,
    levels_of,
    pack,
    raise_to,
)
from ingest.chunk.recursive import BREAKS, within_overlap
from ingest.chunk.units import Units, units
from rag.embedding import Embedder
from rag.types import Block, BlockKind, Chunk, ParsedDocument

_ITEM, _PARAGRAPH = LINE + 1, LINE + 2
_DEEPEST = 6
_HEADING = LINE + 3
"""Level of a heading of the deepest rank; each rank above it is one more."""
_TOP = _HEADING + _DEEPEST

_LINE_START = re.compile(r"(?:\A|[\r\n])(?=[^\r\n])")
_PART_START = re.compile(r"(?:\A|[\r\n]\s*[\r\n])(?=[^\r\n])")
_MARKED = re.compile(r"(?:\A|(?<=[\r\n]))([^\S\r\n]*)(?:[-*+•‣▪◦\u2013]|\(?\w{1,3}[.)])[^\S\r\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureChunker(Windowed):
    """At most ``size`` tokens a chunk; up to ``overlap`` of them repeated within a section."""

    overlap: int = 0

    def chunk(self, document: ParsedDocument, embedder: Embedder) -> list[Chunk]:
        """Chunks in document order."""
        found = units(document.text, embedder.token_offsets)
        levels = _levels(document, found, self.size)

        def end(first: int, cut: int) -> int:
            rank = _TOP if first == 0 else max(int(levels[first]), _HEADING - 1)
            limit = first + self.size
            above = np.flatnonzero(levels[cut + 1 : min(limit, len(found) - 1) + 1] > rank)
            if len(above):
                return cut + 1 + int(above[0])
            if limit >= len(found):
                return len(found)
            strongest = best(levels, min(cut + 1, limit), limit)
            if levels[strongest] >= _HEADING:
                return strongest
            late = best(levels, min(max(cut + 1, first + self.size // 2), limit), limit)
            return late if levels[late] > TOKEN else strongest

        def start(first: int, cut: int) -> int:
            if levels[cut] >= _HEADING:
                return cut
            return within_overlap(levels, first, cut, self.overlap, (SENTENCE,))

        plan = Plan(size=self.size, levels=levels, end=end, start=start)
        return pack(document.text, embedder.token_offsets, found, plan)


def _levels(document: ParsedDocument, found: Units, size: int) -> Levels:
    """Where the text may be cut; inside of what stays whole, places are as bad as in a word."""
    text = document.text
    marks = ((p, _PARAGRAPH if level == packing.PARAGRAPH else level) for p, level in BREAKS)
    levels = levels_of(text, found, marks)
    headings = [block for block in document.blocks if block.kind is BlockKind.HEADING]
    for block in document.blocks:
        if block.kind is not BlockKind.HEADING:
            _keep_whole(text, block, found, levels, size)
    for block in headings:
        raise_to(levels, _places(found, [block.start]), _rank(block))
    for block in headings:
        at = _places(found, [block.end])
        at = at[levels[at] < _rank(block)]
        levels[at] = np.minimum(levels[at], WORD)  # a heading stays with what it heads
    return levels


def _rank(heading: Block) -> int:
    return _TOP - min(max(heading.level, 1), _DEEPEST)


def _keep_whole(text: str, block: Block, found: Units, levels: Levels, size: int) -> None:
    """Leave no good places inside of a block that fits, else inside of its parts that do."""
    if not _close(found, levels, block.start, block.end, size):
        parts = list(_parts(text, block))
        for start, end in pairwise([*parts, block.end]):
            _close(found, levels, start, end, size)
        raise_to(levels, _places(found, parts), _ITEM)
    raise_to(levels, _places(found, [block.start, block.end]), _PARAGRAPH)


def _close(found: Units, levels: Levels, start: int, end: int, size: int) -> bool:
    """Whether a stretch fits into a chunk; if so, it will not be cut without need."""
    low, high = _places(found, [start, end]).tolist()
    fits: bool = high - low <= size
    if fits:
        inner = levels[low + 1 : high]
        inner[inner != NEVER] = TOKEN
    return fits


def _places(found: Units, positions: Sequence[int]) -> NDArray[np.int64]:
    return found.from_position(np.array(positions, dtype=np.int32))


def _parts(text: str, block: Block) -> Iterator[int]:
    """Where the rows, items or paragraphs of a block start."""
    if block.kind is BlockKind.TABLE and block.cells:
        first_of_row = {cell.row: cell.start for cell in reversed(block.cells)}
        yield from sorted(first_of_row.values())
        return
    inside = text[block.start : block.end]
    if block.kind is BlockKind.LIST and (items := list(_MARKED.finditer(inside))):
        outermost = min(len(item.group(1)) for item in items)
        starts = [item.start() for item in items if len(item.group(1)) == outermost]
    else:
        pattern = _PART_START if block.kind is BlockKind.CODE else _LINE_START
        starts = [match.end() for match in pattern.finditer(inside)]
    yield from (block.start + start for start in starts)
