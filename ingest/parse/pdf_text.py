"""Lines of a page to its text: paragraphs apart, divided words joined, boxes aligned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ingest.parse.pdf_lines import LINE_HYPHEN, Line, Quads
from ingest.parse.pdf_running import goes_on

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST = re.compile(r"[^\W\d_]+$")
_FIRST = re.compile(r"[^\W\d_]+")
_PARAGRAPH_GAP = 0.55
_WIDER = 1.25
_WIDEST = 2.0
_FEWEST_GAPS = 4


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
    usual = leading(lines)
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
            between = "\n\n" if after is not None and apart(line, after, usual) else "\n"
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


def leading(lines: Sequence[Line]) -> float:
    """Usual gap between the lines of a paragraph, as a multiple of their size; 0 if unknown.

    It is read off lines that surely go on: those before a line that begins with a small letter.
    """
    gaps = [
        (after.y0 - line.y1) / line.size
        for line, after in pairwise(lines)
        if _stacked(line, after) and after.text[:1].islower()
    ]
    return float(np.median(gaps)) if len(gaps) >= _FEWEST_GAPS else 0.0


def apart(line: Line, after: Line, usual: float) -> bool:
    """Whether a paragraph ends between two lines.

    It does at a gap, a change of size, a table, and at a jump to another place unless the
    sentence goes on there. ``usual`` is the ``leading`` of the text around them.
    """
    if line.running or after.running:
        return line.running != after.running
    if line.table or after.table:
        return line.table != after.table
    height = min(line.size, after.size)
    if height <= 0 or not (line.upright and after.upright):
        return True
    if max(line.size, after.size) > 1.2 * height:
        return True
    if after.y1 < line.y0:
        return not goes_on(line, after)
    return after.y0 - line.y1 > max(_PARAGRAPH_GAP, _WIDER * usual + 0.1) * height


def _stacked(line: Line, after: Line) -> bool:
    same = line.upright and after.upright and abs(line.size - after.size) < 0.1 * line.size
    beneath = line.y1 < after.y1 and after.x0 < line.x1 and line.x0 < after.x1
    plain = not (line.table or after.table or line.running or after.running)
    return same and beneath and plain and after.y0 - line.y1 < _WIDEST * line.size
