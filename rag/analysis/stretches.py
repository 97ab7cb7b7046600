"""A document in stretches for analysis: as long as an engine reads at once, cut where it may be.

A text is cut at the places that are better than all others near them: before a heading of a higher
rank, or, among equally good ones, where the checksum of the next words is highest. That depends on
what stands near the place and on nothing else. So a text that changes in one place is cut as
before everywhere else, and the calls that were made for those stretches are known already.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.headings import LONGEST, Heading, headings_above
from rag.sentences import split
from rag.types import Block, BlockKind

MOST_CARRIED = 1_200
"""Bytes of the text before that a stretch begins with, so that nothing is cut in two unseen."""

_CARRIED_SHARE = 16
# As far as this share of a stretch around it, a place has to be the best. What is left too long
# between such places is cut in its last part.
_NEAR, _EARLIEST = 0.4, 0.6
_WORD, _SENTENCE, _LINE, _PARAGRAPH, _HEADING = range(5)
_DEEPEST = 6
_NEXT_WORDS = 80
_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n\s*")
_LINES = re.compile(r"\n\s*")
_SPACE = re.compile(r"\s+")
_MARKDOWN = re.compile(r"(?m)^(#{1,6})[^\S\n]+(\S.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Code points ``[start, end)``, and from ``carried`` on what is repeated of the text before.

    ``path`` are the places of the headings that hold at ``start``, outermost first: where their
    words are, not the words, so that no stretch repeats anything of its document.
    """

    start: int
    end: int
    carried: int
    path: tuple[tuple[int, int], ...] = ()


def stretches(text: str, blocks: Sequence[Block], *, room: int) -> list[Stretch]:
    """A text in stretches of at most ``room`` bytes of UTF-8, which together are all of it.

    Args:
        text: The text of a document.
        blocks: Its headings, tables, lists and code, which are not cut where that can be helped;
            of a text without any, Markdown's headings count.
        room: Bytes that the passages of a task can have.
    """
    carry = min(MOST_CARRIED, room // _CARRIED_SHARE)
    cutter = _Cutter(text, blocks, room=max(room - carry, 1))
    spans = list(cutter.spans())
    paths = headings_above(cutter.headings, [start for start, _ in spans])
    return [
        Stretch(
            start=start,
            end=end,
            carried=cutter.carried(start, carry),
            path=tuple(cutter.place(heading) for heading in path),
        )
        for (start, end), path in zip(spans, paths, strict=True)
    ]


def heading_words(text: str) -> str:
    """What a heading says, without the marks around it."""
    return " ".join(text.strip("# \n\t").split())


class _Cutter:
    def __init__(self, text: str, blocks: Sequence[Block], *, room: int) -> None:
        self._text = text
        self._room = room
        self._bytes = _bytes_before(text)
        self._places_of = dict(_headings(text, blocks))
        self.headings = sorted(self._places_of)
        self._levels = self._places(blocks)
        self._positions = sorted(self._levels)

    def place(self, heading: Heading) -> tuple[int, int]:
        """Where the words of a heading stand."""
        return self._places_of[heading]

    def spans(self) -> Iterator[tuple[int, int]]:
        """The stretches without what they carry over; white space alone is none."""
        start = 0
        fits = self._bytes[-1] <= self._room
        for cut in (*(() if fits else self._best()), len(self._text)):
            while start < cut:
                end = self._end(start, cut)
                if self._text[start:end].strip():
                    yield start, end
                start = end

    def carried(self, start: int, most: int) -> int:
        """Where what is repeated before a stretch begins: at a sentence, or at a line."""
        first = self._after(start, -most)
        if start == 0 or first >= start or self._levels.get(start, 0) >= _HEADING:
            return start
        known = self._positions[
            bisect_left(self._positions, first) : bisect_left(self._positions, start)
        ]
        heading = max((at for at in known if self._levels[at] >= _HEADING), default=first)
        if heading > first:
            return heading
        sentences = [first + one.start for one in split(self._text[first:start])]
        whole = [at for at in (*known, *sentences[1:]) if at > first or first == 0]
        return min(whole, default=start)

    def _best(self) -> Iterator[int]:
        """The places that are better than all others near them; of equal ones, the first."""
        known = self._positions
        worth = [(self._levels[at], self._checksum(at)) for at in known]
        before = [int(self._bytes[at]) for at in known]
        near = int(self._room * _NEAR)
        for place in _not_outdone(worth, before, near):
            if 0 < known[place] < len(self._text):
                yield known[place]

    def _end(self, start: int, cut: int) -> int:
        limit = self._after(start, self._room)
        if limit >= cut:
            return cut
        earliest = start + max(1, int((limit - start) * _EARLIEST))
        low, high = bisect_left(self._positions, earliest), bisect_right(self._positions, limit)
        found = self._positions[low:high]
        if found:
            return max(found, key=lambda at: (self._levels[at], self._checksum(at)))
        return self._inside(earliest, limit)

    def _inside(self, earliest: int, limit: int) -> int:
        """A place in a line that is longer than what fits: between sentences, or words."""
        piece = self._text[earliest:limit]
        found = [earliest + one.start for one in split(piece)[1:]]
        found = found or [earliest + match.end() for match in _SPACE.finditer(piece)]
        return max(found, key=self._checksum, default=max(limit, earliest))

    def _checksum(self, at: int) -> int:
        return zlib.crc32(self._text[at : at + _NEXT_WORDS].encode("utf-8", "surrogatepass"))

    def _after(self, start: int, size: int) -> int:
        """The code point that so many bytes reach to from another, but one at least."""
        target = self._bytes[start] + size
        if size < 0:
            return int(np.searchsorted(self._bytes, target, side="left"))
        return max(int(np.searchsorted(self._bytes, target, side="right")) - 1, start + 1)

    def _places(self, blocks: Sequence[Block]) -> dict[int, int]:
        """How good each place is to cut at; inside of what fits, and after a heading, none is."""
        levels: dict[int, int] = {}
        for pattern, level in ((_LINES, _LINE), (_PARAGRAPHS, _PARAGRAPH)):
            for match in pattern.finditer(self._text):
                levels[match.end()] = level
        for block in blocks:
            if block.kind is BlockKind.HEADING:
                continue
            size = self._bytes[min(block.end, len(self._text))] - self._bytes[block.start]
            if size <= self._room * (1 - _EARLIEST):
                _forget(levels, block.start, block.end)
            levels[block.start] = levels[block.end] = _PARAGRAPH
        for heading in self.headings:
            levels[heading.start] = _HEADING + _DEEPEST - min(heading.level, _DEEPEST)
        starts = {one.start for one in self.headings}
        after = {_next_line(self._text, start) for start in starts} - starts
        return {at: level for at, level in levels.items() if at not in after}


def _not_outdone(worth: Sequence[tuple[int, int]], at: Sequence[int], near: int) -> Iterator[int]:
    """Which of several things are worth more than all others that are near, in one pass."""
    waiting: list[int] = []
    outdone = [False] * len(at)
    for place, own in enumerate(worth):
        while waiting and worth[waiting[-1]] < own:
            lesser = waiting.pop()
            outdone[lesser] |= at[place] - at[lesser] <= near
        if waiting and at[place] - at[waiting[-1]] <= near:
            outdone[place] = True
        waiting.append(place)
    return (place for place, lost in enumerate(outdone) if not lost)


def _forget(levels: dict[int, int], start: int, end: int) -> None:
    for at in [at for at in range(start + 1, end) if at in levels]:
        del levels[at]


def _next_line(text: str, start: int) -> int:
    """Where the text goes on after the line at ``start``."""
    match = _LINES.search(text, start)
    return match.end() if match else len(text)


def _headings(text: str, blocks: Iterable[Block]) -> Iterator[tuple[Heading, tuple[int, int]]]:
    """Headings, and where their words stand."""
    known = list(blocks)
    for one in known:
        if one.kind is BlockKind.HEADING and one.end - one.start <= LONGEST:
            words = heading_words(text[one.start : one.end])
            yield Heading(one.start, max(one.level, 1), words), (one.start, one.end)
    for match in () if known else _MARKDOWN.finditer(text):
        if len(match[2]) <= LONGEST:
            yield Heading(match.start(), len(match[1]), heading_words(match[2])), match.span(2)


def _bytes_before(text: str) -> NDArray[np.int64]:
    """How many bytes of UTF-8 there are before each code point, and at the end."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    each = 1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) + (points > 0xFFFF)
    return np.concatenate([[0], np.cumsum(each)])
