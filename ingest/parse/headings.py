"""Headings and title of a PDF from the type of its lines.

What most of the text is set in is the body; a short line that starts a paragraph and is set
clearly larger, or as large but bold where the body is not, is a heading. Sizes rank levels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields, replace
from typing import Any

from rag.types import Block, BlockKind

_LARGER = 1.15
_LONGEST = 160
_MOST_WORDS = 20
_MOST_LINES = 4
_DEEPEST = 6
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


class Typography:
    """Statistics over all lines; keeps only the lines that may turn out to be headings."""

    def __init__(self) -> None:
        self._characters: Counter[tuple[float, bool]] = Counter()
        self._candidates: list[SetLine] = []
        self._lines = 0
        self._usual = 0.0

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
        """What has been seen, for ``resumed``."""
        return {
            "characters": [[*style, count] for style, count in self._characters.items()],
            "candidates": [astuple(line) for line in self._candidates],
            "lines": self._lines,
            "usual": self._usual,
        }

    @classmethod
    def resumed(cls, state: Mapping[str, Any]) -> Typography:
        """Statistics that go on from a state, which may have travelled as JSON."""
        typography = cls()
        for size, bold, count in state["characters"]:
            typography._characters[size, bold] = count
        names = [field.name for field in fields(SetLine)]
        typography._candidates = [
            SetLine(**dict(zip(names, line, strict=True))) for line in state["candidates"]
        ]
        typography._lines, typography._usual = state["lines"], state["usual"]
        return typography

    def headings(self) -> list[Block]:
        """Headings in document order, levels 1 to 6 by size, bold before light."""
        body, body_is_bold = self._body()
        groups = self._merged(body, body_is_bold)
        styles = sorted({(line.size, line.bold) for line in groups}, reverse=True)
        levels = {style: min(rank, _DEEPEST) for rank, style in enumerate(styles, start=1)}
        return [
            Block(
                kind=BlockKind.HEADING,
                start=line.start,
                end=line.end,
                level=levels[line.size, line.bold],
            )
            for line in groups
        ]

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
