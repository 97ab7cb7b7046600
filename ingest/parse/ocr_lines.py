"""Recognized words to lines of text, turned upright, with a box for every character."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from ingest.parse.pdf_lines import LINE_HYPHEN, Line, Quads

# Heights of letters as shares of the size of the type, as in most typefaces.
_ASCENDER, _X_HEIGHT, _DESCENDER = 0.73, 0.51, 0.21
_LINE_HEIGHT = 1.17
"""The height of a line of written text that PDFium reports, as a share of its size."""
_LOW = frozenset("acemnorsuvwxz")
_HANGING = frozenset("gpqyj")
_FLAT = frozenset("-\u2013\u2014_.,:;'\"\u2018\u2019\u201c\u201d~=+*\u2022\u00b7\u00b0")
_SAME_SIZE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A recognized word: its block, paragraph and line, its box in pixels, its confidence."""

    text: str
    line: tuple[int, int, int]
    box: tuple[float, float, float, float]
    confidence: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of its box."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    def flipped(self, width: float, height: float) -> Word:
        """The word on the page turned by 180 degrees."""
        x0, y0, x1, y1 = self.box
        return replace(self, box=(width - x1, height - y1, width - x0, height - y0))

    def turned(self, width: float, height: float, turn: int) -> Word:
        """The word on the page turned clockwise."""
        if turn == 180:
            return self.flipped(width, height)
        x0, y0, x1, y1 = self.box
        boxes = {
            0: self.box,
            90: (height - y1, x0, height - y0, x1),
            270: (y0, width - x1, y1, width - x0),
        }
        return replace(self, box=boxes[turn])


def reading_direction(words: Iterable[Word]) -> int:
    """How far, clockwise, the page has to be turned for most of its words to stand upright.

    Words of a line follow one another to the right on an upright page, downwards on one that
    has to be turned by 270 degrees, and so on.
    """
    votes: Counter[int] = Counter()
    for _, line in groupby(words, key=lambda word: word.line):
        for word, after in pairwise(line):
            dx = after.centre[0] - word.centre[0]
            dy = after.centre[1] - word.centre[1]
            if _runs_left(word.text) or _runs_left(after.text):
                dx, dy = -dx, -dy
            if abs(dx) >= abs(dy):
                votes[0 if dx >= 0 else 180] += 1
            else:
                votes[270 if dy >= 0 else 90] += 1
    return votes.most_common(1)[0][0] if votes else 0


def text_lines(words: Sequence[Word], width: float, height: float, turn: int) -> list[Line]:
    """The lines in the order of recognition, in pixels of the page turned by ``turn``."""
    upright = [word.turned(width, height, turn) for word in words]
    lines = [_line(list(group)) for _, group in groupby(upright, key=lambda word: word.line)]
    letters = np.repeat([line.size for line in lines], [len(line.text) for line in lines])
    usual = float(np.median(letters)) if len(letters) else 0.0
    # Sizes are estimates: what differs little is the same type, and no heading.
    return [
        replace(line, size=usual) if abs(line.size - usual) < _SAME_SIZE * usual else line
        for line in lines
    ]


def _line(words: Sequence[Word]) -> Line:
    pieces: list[str] = []
    boxes: list[Quads] = []
    for word, after in pairwise([*words, None]):
        assert word is not None  # noqa: S101 - only the last of the list is
        text = unicodedata.normalize("NFC", word.text)
        pieces.append(text)
        boxes.append(_characters(word.box, text))
        if after is not None and not _adjoins(word, after):
            pieces.append(" ")
            boxes.append(np.zeros((1, 4)))
    text = "".join(pieces)
    if text.endswith("-") and text[-2:-1].isalpha():
        text = text[:-1] + LINE_HYPHEN
    stacked = np.vstack(boxes)
    placed = stacked[stacked[:, 2] > stacked[:, 0]]
    x0, y0 = placed[:, :2].min(axis=0).tolist()
    x1, y1 = placed[:, 2:].max(axis=0).tolist()
    return Line(
        text=text,
        boxes=stacked,
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        size=_LINE_HEIGHT * float(np.median([_type_size(word) for word in words])),
        bold=False,
        upright=x1 - x0 > y1 - y0 or len(text) < 3,
    )


def _characters(box: tuple[float, float, float, float], text: str) -> Quads:
    """The word's box cut into one for each character, in the direction of its script."""
    x0, y0, x1, y1 = box
    edges = np.linspace(x1, x0, len(text) + 1) if _runs_left(text) else None
    if edges is None:
        edges = np.linspace(x0, x1, len(text) + 1)
    left, right = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    flat = np.ones(len(text))
    return np.stack([left, y0 * flat, right, y1 * flat], axis=1)


def _type_size(word: Word) -> float:
    """Size of the type, from the height of the word's box and which letters reach how far."""
    letters = [char for char in word.text if char not in _FLAT]
    height = word.box[3] - word.box[1]
    if not letters:
        return max(height, (word.box[2] - word.box[0]) / len(word.text))
    above = _X_HEIGHT if all(char in _LOW or char in "gpqy" for char in letters) else _ASCENDER
    below = _DESCENDER if any(char in _HANGING for char in letters) else 0.0
    return height / (above + below)


def _adjoins(word: Word, after: Word) -> bool:
    """Whether one continues the other, in a script that has no spaces."""
    gap = max(after.box[0] - word.box[2], word.box[0] - after.box[2])
    near = gap < word.box[3] - word.box[1]
    return near and _unspaced(word.text[-1]) and _unspaced(after.text[0])


def _unspaced(char: str) -> bool:
    """Whether words of its script follow one another without spaces."""
    return (
        "\u2e80" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or "\uff00" <= char <= "\uff60"
    )


def _runs_left(text: str) -> bool:
    return any(unicodedata.bidirectional(char) in ("R", "AL") for char in text)
