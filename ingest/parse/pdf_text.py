"""Lines of a page to its text: paragraphs apart, divided words joined, boxes aligned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ingest.parse.pdf_lines import LINE_HYPHEN, Line, Quads

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST = re.compile(r"[^\W\d_]+$")
_FIRST = re.compile(r"[^\W\d_]+")
_PARAGRAPH_GAP = 0.55


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """Text of a page, a box per code point in points, and where each line stands in it."""

    text: str
    boxes: Quads
    lines: tuple[tuple[int, int, Line], ...]


def vocabulary(pages: Sequence[Sequence[Line]]) -> frozenset[str]:
    """Lower-cased words that stand whole inside lines, hyphenated compounds as one."""
    words: set[str] = set()
    for lines in pages:
        divided = False
        for line in lines:
            found = _WORD.findall(line.text)
            if divided and found:
                del found[0]
            divided = line.text.endswith(LINE_HYPHEN)
            if divided and found:
                del found[-1]
            words.update(map(str.lower, found))
    return frozenset(words)


def compose(lines: Sequence[Line], words: frozenset[str]) -> PageText:
    """One text of the lines: a line feed between lines, two between paragraphs."""
    texts: list[str] = []
    boxes: list[Quads] = []
    places: list[tuple[int, int, Line]] = []
    offset = 0
    for line, after in pairwise([*lines, None]):
        assert line is not None  # noqa: S101 - only the last of the list is
        text, rows = line.text, line.boxes
        end = offset + len(text)
        if text.endswith(LINE_HYPHEN):
            if after is not None and _divides(text, after.text, words):
                text, rows, between = text[:-1], rows[:-1], ""
            else:
                text = text[:-1] + "-"
                between = "" if after is not None and after.text[:1].isalnum() else "\n"
        else:
            between = "\n\n" if after is not None and _apart(line, after) else "\n"
        if after is None:
            between = ""
        places.append((offset, end if text == line.text else offset + len(text), line))
        texts += (text, between)
        boxes += (rows, np.zeros((len(between), 4)))
        offset += len(text) + len(between)
    stacked = np.vstack(boxes) if boxes else np.zeros((0, 4))
    return PageText(text="".join(texts), boxes=stacked, lines=tuple(places))


def _divides(text: str, after: str, words: frozenset[str]) -> bool:
    """Whether the hyphen only divides a word: the document's other words decide."""
    left, right = _LAST.search(text[:-1]), _FIRST.match(after)
    if left is None or right is None or not right[0][0].islower():
        return False
    first, second = left[0].lower(), right[0].lower()
    if first + second in words:
        return True
    if f"{first}-{second}" in words:
        return False
    return not (len(first) > 2 and first in words and second in words)


def _apart(line: Line, after: Line) -> bool:
    """Whether a paragraph ends here: a gap, a change of size, or a jump to another place."""
    height = min(line.size, after.size)
    if height <= 0 or not (line.upright and after.upright):
        return True
    gap = after.y0 - line.y1
    resized = max(line.size, after.size) > 1.2 * height
    return resized or gap > _PARAGRAPH_GAP * height or after.y1 < line.y0
