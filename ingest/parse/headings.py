"""Headings and title of a PDF from the type of its lines.

What most of the text is set in is the body; a short line that starts a paragraph and is set
clearly larger, or as large but bold where the body is not, is a heading. Sizes rank levels, unless
the document has an outline that says more.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import accumulate
from typing import Any

from rag.types import Block, BlockKind

_LARGER = 1.15
_LONGEST = 160
_MOST_WORDS = 20
_MOST_LINES = 4
_DEEPEST = 6
_NO_LETTER = re.compile(r"[\W_]+")
_NUMBERING = re.compile(r"(?:chapter|section|part|kapitel|teil|note)?[\divxlc]{0,8}[a-z]?")
_BEFORE_BODY = 200
_RECOUNT = 100
_NO_TITLE = re.compile(
    r"(?i)^(untitled|title|document\d*|slide \d+|microsoft word - .*|.*\.(docx?|pdf|indd|xlsx?|"
    r"pptx?|tex|dvi|qxd|rtf|odt|html?|txt|fm)|[\W\d_]*|powerpoint presentation)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLine:
    """A line of the document and how it is set; ``opens`` says that a paragraph starts."""

    start: int
    end: int
    page: int
    size: float
    bold: bool
    opens: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """An entry of a document's outline; ``page`` counts from 1, as does ``level``."""

    title: str
    level: int
    page: int


class Typography:
    """Statistics over all lines; keeps only the lines that may turn out to be headings.

    What the outline names is a heading, at the level that the outline says; other headings set
    like one of these get its level.
    """

    def __init__(
        self, outline: Iterable[Bookmark] = (), state: Mapping[str, Any] | None = None
    ) -> None:
        self._outline: dict[int, list[Bookmark]] = {}
        for bookmark in outline:
            self._outline.setdefault(bookmark.page, []).append(bookmark)
        self._named: list[tuple[SetLine, int]] = []
        self._characters: Counter[tuple[float, bool]] = Counter()
        self._candidates: list[SetLine] = []
        self._lines = 0
        self._usual = 0.0
        if state:
            self._resume(state)

    def add(self, line: SetLine) -> None:
        """Count a line, in document order."""
        size = _rounded(line.size)
        self._characters[size, line.bold] += line.end - line.start
        if self._lines % _RECOUNT == 0:
            self._usual = self._body()[0]
        self._lines += 1
        early = len(self._candidates) < _BEFORE_BODY  # what the body is cannot be known yet
        short = line.end - line.start <= _LONGEST
        if short and (early or line.bold or size > self._usual):
            self._candidates.append(replace(line, size=size))

    def state(self) -> dict[str, Any]:
        """What has been seen, to go on from; it may travel as JSON."""
        return {
            "characters": [[*style, count] for style, count in self._characters.items()],
            "candidates": [astuple(line) for line in self._candidates],
            "named": [[astuple(line), level] for line, level in self._named],
            "lines": self._lines,
            "usual": self._usual,
        }

    def _resume(self, state: Mapping[str, Any]) -> None:
        for size, bold, count in state["characters"]:
            self._characters[size, bold] = count
        self._candidates = [_set_line(line) for line in state["candidates"]]
        self._named = [(_set_line(line), level) for line, level in state["named"]]
        self._lines, self._usual = state["lines"], state["usual"]

    def name(self, page: int, lines: Sequence[SetLine]) -> None:
        """Find what the outline names on a page among its lines."""
        squeezed = [_squeezed(line.text) for line in lines]
        for bookmark in self._outline.pop(page, ()):
            wanted = _squeezed(bookmark.title)
            for at, line in enumerate(lines):
                end = _named(wanted, squeezed[at : at + _MOST_LINES])
                if end:
                    whole = replace(line, end=lines[at + end - 1].end, size=_rounded(line.size))
                    self._named.append((whole, min(bookmark.level, _DEEPEST)))
                    break

    def headings(self) -> list[Block]:
        """Headings in document order, levels 1 to 6 by size, bold before light."""
        found = {line.start: (line.end, level) for line, level in self._named}
        ends = sorted((start, end) for start, (end, _) in found.items())
        groups = [line for line in self._merged(*self._body()) if not _within(line, ends)]
        levels = self._levels(groups)
        for line in groups:
            found[line.start] = (line.end, levels[line.size, line.bold])
        return [
            Block(kind=BlockKind.HEADING, start=start, end=end, level=level)
            for start, (end, level) in sorted(found.items())
        ]

    def _levels(self, groups: Sequence[SetLine]) -> dict[tuple[float, bool], int]:
        """A level for each way to set headings: as in the outline, else by size."""
        named: dict[tuple[float, bool], Counter[int]] = {}
        for line, level in self._named:
            named.setdefault((line.size, line.bold), Counter())[level] += 1
        levels = {style: counts.most_common(1)[0][0] for style, counts in named.items()}
        rank = 0
        for style in sorted({(line.size, line.bold) for line in groups} | set(levels))[::-1]:
            rank = levels.setdefault(style, min(rank + 1, _DEEPEST))
        return levels

    def title(self, metadata: str, *, sizes_known: bool = True) -> str | None:
        """The metadata's title if it is one, else the largest heading of the first pages.

        Of type whose size is but estimated it is the first heading.
        """
        cleaned = " ".join(metadata.split())
        named_like_a_file = " " not in cleaned and re.search(r"[\d_]", cleaned)
        sane = 3 < len(cleaned) <= 300 and not _NO_TITLE.match(cleaned)
        if sane and not named_like_a_file:
            return cleaned
        early = [line for line in self._merged(*self._body()) if line.page <= 2]
        if not early:
            return None
        return max(early, key=lambda line: (line.size * sizes_known, -line.start)).text

    def _body(self) -> tuple[float, bool]:
        sizes: Counter[float] = Counter()
        for (size, _), count in self._characters.items():
            sizes[size] += count
        if not sizes:
            return 0.0, False
        body = max(sizes, key=lambda size: sizes[size])
        return body, self._characters[body, True] > self._characters[body, False]

    def _merged(self, body: float, body_is_bold: bool) -> list[SetLine]:
        """Heading lines; those that continue one another in one style become one."""
        merged: list[SetLine] = []
        lines = 0
        for line in self._candidates:
            if not _is_heading(line, body, body_is_bold):
                continue
            last = merged[-1] if merged else None
            if (
                last is not None
                and not line.opens
                and lines < _MOST_LINES
                and line.start - last.end <= 1
                and (line.size, line.bold, line.page) == (last.size, last.bold, last.page)
            ):
                merged[-1] = replace(last, end=line.end, text=f"{last.text} {line.text}")
                lines += 1
            elif line.opens:
                merged.append(line)
                lines = 1
        return merged


def _set_line(values: Sequence[Any]) -> SetLine:
    names = [field.name for field in fields(SetLine)]
    return SetLine(**dict(zip(names, values, strict=True)))


def _squeezed(text: str) -> str:
    return _NO_LETTER.sub("", text.casefold())


def _named(wanted: str, lines: Sequence[str]) -> int:
    """How many of these lines together say what is wanted, but for a number before it; or 0."""
    for count, whole in enumerate(accumulate(lines), start=1):
        shorter, longer = sorted((whole, wanted), key=len)
        if shorter and longer.endswith(shorter):
            before = longer.removesuffix(shorter)
            if not before or (_NUMBERING.fullmatch(before) and len(shorter) > 2):
                return count
    return 0


def _within(line: SetLine, spans: Sequence[tuple[int, int]]) -> bool:
    at = bisect_right(spans, (line.end, -1)) - 1
    return at >= 0 and spans[at][1] > line.start


def _is_heading(line: SetLine, body: float, body_is_bold: bool) -> bool:
    words = line.text.split()
    letters = sum(char.isalpha() for char in line.text)
    if letters < 2 or letters < 0.4 * len(line.text) or len(words) > _MOST_WORDS:
        return False
    if line.size >= _LARGER * body:
        return True
    heavier = line.bold and not body_is_bold and line.size >= 0.95 * body
    return heavier and not line.text.rstrip().endswith((".", ",", ";"))


def _rounded(size: float) -> float:
    return round(size * 2) / 2
