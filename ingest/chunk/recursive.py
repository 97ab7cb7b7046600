"""Chunks of at most so many tokens, cut where the text itself is cut.

A cut is looked for in the second half of what fits: before a heading, else between
paragraphs, else between lines, sentences, words, and only then between any two tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ingest.chunk.units import Units, units
from rag.errors import InvalidRequest
from rag.types import BlockKind, Chunk, Ids, ParsedDocument

_NEVER, _TOKEN, _WORD, _SENTENCE, _LINE, _PARAGRAPH, _HEADING = range(-1, 6)
_NEWLINE = r"(?:\r\n|[\r\n])"
_NEW_START = r"(?![^\S\r\n]*[^\W\d_A-Z])"  # a line that goes on with a small letter was wrapped
_BREAKS: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"\s+"), _WORD),
    (re.compile(r"[.!?…][\"'”\u2019»)\]]*\s+"), _SENTENCE),
    (re.compile(r"[。\uff01\uff1f｡]+[”\u2019」』\uff09]*\s*"), _SENTENCE),  # needs no space
    # Wrapped prose breaks lines anywhere; tables, lists and code break after these, or early.
    (re.compile(rf"(?<=[.:;!?…)\]|%{{}}>\"”\d])[^\S\r\n]*{_NEWLINE}{_NEW_START}"), _LINE),
    (re.compile(rf"(?m)^[^\r\n]{{1,40}}{_NEWLINE}{_NEW_START}"), _LINE),
    (re.compile(rf"{_NEWLINE}[^\S\r\n]*{_NEWLINE}\s*"), _PARAGRAPH),
)
_SMALLEST = 16
_MATCHES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RecursiveChunker:
    """At most ``size`` tokens a chunk, starting up to ``overlap`` tokens before the last cut."""

    size: int = 256
    overlap: int = 32

    def __post_init__(self) -> None:
        """Refuse sizes with which no progress could be made.

        Raises:
            InvalidRequest: The size is too small, or the overlap more than half of it.
        """
        if self.size < _SMALLEST:
            raise InvalidRequest(f"size must be at least {_SMALLEST}", param="chunking.size")
        if not 0 <= self.overlap <= self.size // 2:
            raise InvalidRequest("overlap must be from 0 to half of size", param="chunking.overlap")

    def chunk(self, document: ParsedDocument, tokens: Callable[[str], Ids]) -> list[Chunk]:
        """Chunks in document order; token counts are those of each chunk's own text."""
        text = document.text
        found = units(text, tokens)
        levels = _levels(document, found)
        chunks: list[Chunk] = []
        first = cut = 0
        while cut < len(found):
            last = self._cut(levels, first, cut)
            chunk, last = self._fitting(text, tokens, found, (first, last, cut), levels)
            if chunk is not None and (not chunks or chunk[1] > chunks[-1].end):
                chunks.append(
                    Chunk(
                        position=len(chunks),
                        start=chunk[0],
                        end=chunk[1],
                        text=text[chunk[0] : chunk[1]],
                        tokens=chunk[2],
                    )
                )
            first, cut = self._next(levels, first, last), last
        return chunks

    def _cut(self, levels: NDArray[np.int8], first: int, cut: int) -> int:
        """Unit before which the chunk that starts at ``first`` ends; always after ``cut``."""
        limit = first + self.size
        if limit >= len(levels) - 1:
            return len(levels) - 1
        low = max(cut + 1, first + self.size // 2)
        return _best(levels, min(low, limit), limit)

    def _fitting(
        self,
        text: str,
        tokens: Callable[[str], Ids],
        found: Units,
        place: tuple[int, int, int],
        levels: NDArray[np.int8],
    ) -> tuple[tuple[int, int, int] | None, int]:
        """Span and token count of a chunk, shrunk until it fits on its own; and its cut.

        A word that a cut divides may fall into more tokens than the whole word did.
        """
        first, last, cut = place
        while True:
            start, end = _trimmed(text, found.edge(first), found.edge(last))
            if start == end:
                return None, last
            count = len(tokens(text[start:end]))
            if count <= self.size or last - first <= 1:
                return (start, end, count), last
            if last <= cut + 1:
                first = cut  # even one new unit leaves no room for the overlap
                continue
            low = max(cut + 1, first + 1, last - 2 * (count - self.size))
            last = _best(levels, low, last - 1)

    def _next(self, levels: NDArray[np.int8], first: int, cut: int) -> int:
        """Where the next chunk starts: at the earliest good place within the overlap."""
        if cut >= len(levels) - 1 or levels[cut] == _HEADING or not self.overlap:
            return cut
        low = max(first + 1, cut - self.overlap)
        for level in (_SENTENCE, _WORD, _TOKEN):
            at = np.flatnonzero(levels[low:cut] >= level)
            if len(at):
                return low + int(at[0])
        return cut


def _best(levels: NDArray[np.int8], low: int, high: int) -> int:
    """The last of the strongest places to cut in [low, high]."""
    window = levels[low : high + 1][::-1]
    return high - int(np.argmax(window))


def _levels(document: ParsedDocument, found: Units) -> NDArray[np.int8]:
    """How good a place each unit's start is for a cut; one more for the end of the text."""
    levels = np.full(len(found) + 1, _TOKEN, np.int8)
    levels[1:-1][~found.separable] = _NEVER
    for pattern, level in _BREAKS:
        for ends in _ends(pattern, document.text):
            at = found.from_position(ends)
            at = at[levels[at] != _NEVER]
            levels[at] = np.maximum(levels[at], level)
    headings = [block for block in document.blocks if block.kind is BlockKind.HEADING]
    after = found.from_position(np.array([block.end for block in headings], dtype=np.int32))
    before = found.from_position(np.array([block.start for block in headings], dtype=np.int32))
    levels[after] = np.minimum(levels[after], _WORD)  # a heading stays with what it heads
    before = before[levels[before] != _NEVER]
    levels[before] = _HEADING
    return levels


def _ends(pattern: re.Pattern[str], text: str) -> Iterator[NDArray[np.int32]]:
    """Ends of the matches, some at a time: of spaces there are millions."""
    ends = (match.end() for match in pattern.finditer(text))
    while len(some := np.fromiter(islice(ends, _MATCHES), np.int32)):
        yield some


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end].lstrip()
    start = end - len(piece)
    return start, start + len(piece.rstrip())
