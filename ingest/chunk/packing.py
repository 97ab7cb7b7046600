"""Units to chunks: the loop that the strategies share, whatever they hold a good cut to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ingest.chunk.measure import measured
from ingest.chunk.units import Units
from rag.types import Chunk, Ids

Tokenize: TypeAlias = "Callable[[str], Ids]"
"""Code point spans of a text's tokens, shape (tokens, 2), as ``Embedder.token_offsets``."""
Levels: TypeAlias = "NDArray[np.int8]"
"""How good a place each unit's start is for a cut; one more for the end of the text."""
Pattern: TypeAlias = "tuple[re.Pattern[str], int]"
"""Where a pattern's matches end, a cut is as good as this level."""

NEVER, TOKEN, WORD, SENTENCE, LINE, PARAGRAPH, HEADING = range(-1, 6)
_MATCHES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one text is to be cut.

    ``end(first, cut)`` is the unit before which the chunk that starts at ``first`` ends: after
    ``cut``, where the last chunk ended. ``start(first, cut)`` is where the chunk after the one
    from ``first`` to ``cut`` starts: after ``first``, not after ``cut``.
    """

    size: int
    levels: Levels
    end: Callable[[int, int], int]
    start: Callable[[int, int], int]


def pack(text: str, tokens: Tokenize, found: Units, plan: Plan) -> list[Chunk]:
    """Chunks in document order; token counts are those of each chunk's own text."""
    chunks: list[Chunk] = []
    first = cut = 0
    while cut < len(found):
        place = (first, plan.end(first, cut), cut)
        chunk, last = _fitting(text, tokens, found, place, plan)
        if chunk is not None and (not chunks or chunk[1] > chunks[-1].end):
            chunks.append(chunk_of(text, len(chunks), *chunk))
        first, cut = plan.start(first, last), last
    return chunks


def chunk_of(text: str, position: int, start: int, end: int, tokens: int) -> Chunk:
    """The chunk that is this span of the text."""
    return Chunk(position=position, start=start, end=end, text=text[start:end], tokens=tokens)


def best(levels: Levels, low: int, high: int) -> int:
    """The last of the strongest places to cut in [low, high]."""
    window = levels[low : high + 1][::-1]
    return high - int(np.argmax(window))


def levels_of(text: str, found: Units, patterns: Iterable[Pattern]) -> Levels:
    """The strongest level that a pattern gives to each place where units can be parted."""
    levels = np.full(len(found) + 1, TOKEN, np.int8)
    levels[1:-1][~found.separable] = NEVER
    for pattern, level in patterns:
        for ends in _ends(pattern, text):
            raise_to(levels, found.from_position(ends), level)
    return levels


def raise_to(levels: Levels, at: NDArray[np.int64], level: int) -> None:
    """Make these places at least so good, but for those within a character."""
    at = at[levels[at] != NEVER]
    levels[at] = np.maximum(levels[at], level)


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space around it."""
    piece = text[start:end].lstrip()
    start = end - len(piece)
    return start, start + len(piece.rstrip())


def _fitting(
    text: str, tokens: Tokenize, found: Units, place: tuple[int, int, int], plan: Plan
) -> tuple[tuple[int, int, int] | None, int]:
    """Span and tokens of a chunk, shrunk until it fits on its own; and its cut.

    A word that a cut divides may fall into more tokens than the whole word did.
    """
    first, last, cut = place
    while True:
        start, end = trimmed(text, found.edge(first), found.edge(last))
        if start == end:
            return None, last
        spans = tokens(text[start:end])
        count = len(measured(text[start:end], spans))
        if count <= plan.size or last - first <= 1:
            return (start, end, len(spans)), last
        if last <= cut + 1:
            first = cut  # even one new unit leaves no room for the overlap
            continue
        low = max(cut + 1, first + 1, last - 2 * (count - plan.size))
        last = best(plan.levels, low, last - 1)


def _ends(pattern: re.Pattern[str], text: str) -> Iterator[NDArray[np.int32]]:
    """Ends of the matches, some at a time: of spaces there are millions."""
    ends = (match.end() for match in pattern.finditer(text))
    while len(some := np.fromiter(islice(ends, _MATCHES), np.int32)):
        yield some
