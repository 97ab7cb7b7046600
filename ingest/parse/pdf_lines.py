"""Characters of a page to its lines, in reading order.

PDFium's order is the base: it is the order in which the page was written, which is the
reading order in almost all files.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ingest.parse.pdfium import Glyphs

LINE_HYPHEN = "\x02"
"""PDFium's mark for a hyphen at the end of a line that may only divide a word."""

_SPACES = np.array([9, 0x20, 0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], np.uint32)
_BREAKS = np.array([10, 13, 0x0B, 0x0C, 0x85, 0x2028, 0x2029], np.uint32)
_NOISE = np.array(
    [*range(2), *range(3, 32), *range(127, 160), 0xAD, 0x200B, 0x2060, 0xFEFF, 0xFFFE, 0xFFFF],
    np.uint32,
)
BULLETS = np.array([0xF0B7, 0xF0A7, 0xF076, 0xF0D8, 0xF0FC], np.uint32)
"""Code points of the private use area at which symbol fonts keep their bullets."""

_ALEFS, _LAM = np.array([0x622, 0x623, 0x625, 0x627], np.uint32), 0x644
_COMBINING = {
    0x60: 0x300,
    0xA8: 0x308,
    0xAF: 0x304,
    0xB4: 0x301,
    0xB8: 0x327,
    0x2C6: 0x302,
    0x2C7: 0x30C,
    0x2DA: 0x30A,
    0x2DC: 0x303,
    0x2DD: 0x30B,
}
_ACCENTS = np.array(list(_COMBINING), np.uint32)
_DOTLESS = {0x131: ord("i"), 0x237: ord("j")}
_RETURN = 3.0

Quads = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of text. ``boxes`` has a row per code point, zeros where there is no place.

    ``size`` is the median height of its characters in points, close to the font's size.
    ``running`` marks headers, footers and page numbers. ``table`` numbers the table of the
    page whose row it is, from 1; ``cells`` are then column, start and end of each cell.
    """

    text: str
    boxes: Quads
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool
    upright: bool
    running: bool = False
    table: int = 0
    cells: tuple[tuple[int, int, int], ...] = ()


def slice_line(line: Line, start: int, end: int) -> Line:
    """The part of a line between two of its characters, without spaces around it."""
    piece = line.text[start:end]
    start += len(piece) - len(piece.lstrip())
    end = start + len(piece.strip())
    boxes = line.boxes[start:end]
    placed = boxes[boxes[:, 2] > boxes[:, 0]]
    x0, y0 = placed[:, :2].min(axis=0).tolist()
    x1, y1 = placed[:, 2:].max(axis=0).tolist()
    text = line.text[start:end]
    return replace(line, text=text, boxes=boxes, x0=x0, y0=y0, x1=x1, y1=y1)


def page_lines(glyphs: Glyphs) -> list[Line]:
    """The lines of a page in PDFium's order; what was written outside the page is left out."""
    codes, boxes, bold = _clean(glyphs)
    lines: list[Line] = []
    for start, end in _segments(codes, boxes):
        line = _line(codes[start:end], boxes[start:end], bold[start:end])
        if line is None:
            continue
        if lines and _continues(lines[-1], line):
            line = _joined(lines.pop(), line)
        lines.append(line)
    return lines


def _clean(glyphs: Glyphs) -> tuple[NDArray[np.uint32], Quads, NDArray[np.bool_]]:
    codes, boxes = _pair_surrogates(glyphs)
    breaks = np.isin(codes, _BREAKS)
    before_break = np.append(breaks[1:], True) if len(codes) else breaks
    codes[(codes == 0xAD) & before_break] = ord(LINE_HYPHEN)
    spaces = np.isin(codes, _SPACES)
    codes[spaces] = 0x20
    codes[breaks] = 10
    codes[np.isin(codes, BULLETS)] = 0x2022
    unplaced = spaces | breaks | ~glyphs.written
    outside = (
        (boxes[:, 2] <= 0)
        | (boxes[:, 0] >= glyphs.width)
        | (boxes[:, 3] <= 0)
        | (boxes[:, 1] >= glyphs.height)
    )
    _mend_lam_alef(codes, boxes)
    _mend_accents(codes, boxes)
    kept = ~(np.isin(codes, _NOISE) & ~breaks) & (unplaced | ~outside)
    boxes = np.where(unplaced[:, None], 0.0, boxes)
    return codes[kept], boxes[kept], glyphs.bold[kept]


def _mend_lam_alef(codes: NDArray[np.uint32], boxes: Quads) -> None:
    # PDFium resolves the Arabic ligature of lam and alef into alef and lam: one glyph, one
    # box, two letters in the wrong order.
    turned = np.isin(codes[:-1], _ALEFS) & (codes[1:] == _LAM)
    turned &= (boxes[:-1] == boxes[1:]).all(axis=1)
    first = np.flatnonzero(turned)
    codes[first + 1] = codes[first]
    codes[first] = _LAM


def _mend_accents(codes: NDArray[np.uint32], boxes: Quads) -> None:
    # Older TeX draws the accent and then the letter below it; the pair composes to one.
    x0, x1 = boxes[:, 0], boxes[:, 2]
    middle = (x0[:-1] + x1[:-1]) / 2
    above = np.isin(codes[:-1], _ACCENTS) & (x0[1:] < middle) & (middle < x1[1:])
    for first in np.flatnonzero(above).tolist():
        letter = _DOTLESS.get(int(codes[first + 1]), int(codes[first + 1]))
        if chr(letter).isalpha():
            codes[first + 1] = _COMBINING[int(codes[first])]
            codes[first] = letter


def _pair_surrogates(glyphs: Glyphs) -> tuple[NDArray[np.uint32], Quads]:
    codes, boxes = glyphs.codes.copy(), glyphs.boxes
    high = (codes >= 0xD800) & (codes < 0xDC00)
    if high.any():
        low = (codes >= 0xDC00) & (codes < 0xE000)
        first = np.flatnonzero(high[:-1] & low[1:])
        codes[first] = 0x10000 + ((codes[first] & 0x3FF) << 10) + (codes[first + 1] & 0x3FF)
        codes[first + 1] = 0
    lone = ((codes >= 0xD800) & (codes < 0xE000)) | (codes > 0x10FFFF)
    codes[lone] = 0xFFFD
    return codes, boxes


def _segments(codes: NDArray[np.uint32], boxes: Quads) -> Iterator[tuple[int, int]]:
    ends = (codes == 10) | (codes == ord(LINE_HYPHEN))
    ends[_before_returns(codes, boxes)] = True
    start = 0
    for end in np.flatnonzero(ends).tolist():
        yield start, end + 1
        start = end + 1
    yield start, len(codes)


def _before_returns(codes: NDArray[np.uint32], boxes: Quads) -> NDArray[np.int64]:
    """Characters after which the text jumps back without a line break.

    PDFium takes rows of two columns for one line when their heights differ a little.
    """
    placed = np.flatnonzero(boxes[:, 2] > boxes[:, 0])
    quads, letters = boxes[placed], codes[placed]
    height = quads[:-1, 3] - quads[:-1, 1]
    back = quads[1:, 2] < quads[:-1, 0] - _RETURN * height
    leftward = (letters >= 0x590) & (letters < 0x900) | (letters >= 0xFB1D) & (letters < 0xFF00)
    return placed[:-1][back & ~leftward[1:] & ~leftward[:-1]]


def _line(codes: NDArray[np.uint32], boxes: Quads, bold: NDArray[np.bool_]) -> Line | None:
    space = (codes == 0x20) | (codes == 10)
    kept = ~space
    kept[1:] |= ~space[:-1]  # of a run of spaces the first
    codes, boxes, bold = codes[kept], boxes[kept], bold[kept]
    if len(codes) and codes[-1] in (0x20, 10):
        codes, boxes, bold = codes[:-1], boxes[:-1], bold[:-1]
    seen = (boxes[:, 2] > boxes[:, 0]) | (boxes[:, 3] > boxes[:, 1])
    placed = boxes[seen]
    if not len(placed):
        return None
    x0, y0 = placed[:, :2].min(axis=0).tolist()
    x1, y1 = placed[:, 2:].max(axis=0).tolist()
    heights = np.sort(placed[:, 3] - placed[:, 1])  # np.median costs ten times as much
    size = float(heights[(len(heights) - 1) // 2] + heights[len(heights) // 2]) / 2
    text, boxes = _composed(codes.tobytes().decode("utf-32-le"), boxes)
    return Line(
        text=text,
        boxes=boxes,
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        size=size,
        bold=int(np.count_nonzero(bold)) > 0.6 * len(placed),
        upright=(y1 - y0) < 2.5 * size or (x1 - x0) > (y1 - y0),
    )


def _continues(line: Line, after: Line) -> bool:
    """Whether PDFium broke a line at a superscript or a change of font."""
    if line.text.endswith(LINE_HYPHEN) or not (line.upright and after.upright):
        return False
    height = max(line.size, after.size)
    overlap = min(line.y1, after.y1) - max(line.y0, after.y0)
    gap = after.x0 - line.x1
    return overlap >= 0.4 * min(line.size, after.size) and -0.3 * height <= gap <= height


def _joined(line: Line, after: Line) -> Line:
    spaced = after.x0 - line.x1 > 0.15 * max(line.size, after.size)
    space = np.zeros((1, 4)) if spaced else np.zeros((0, 4))
    longer = max(line, after, key=lambda part: len(part.text))
    return Line(
        text=line.text + (" " if spaced else "") + after.text,
        boxes=np.vstack([line.boxes, space, after.boxes]),
        x0=min(line.x0, after.x0),
        y0=min(line.y0, after.y0),
        x1=max(line.x1, after.x1),
        y1=max(line.y1, after.y1),
        size=longer.size,
        bold=longer.bold,
        upright=True,
    )


def _composed(text: str, boxes: Quads) -> tuple[str, Quads]:
    """NFC, ligatures and Arabic presentation forms resolved, each result with its place.

    The text is cut before every character that cannot combine with the one before it; the
    characters that come out of a piece share the rectangle around the piece.
    """
    if text.isascii() or (unicodedata.is_normalized("NFC", text) and not any(map(_is_form, text))):
        return text, boxes
    starts = [i for i, char in enumerate(text) if i == 0 or not _combines(char)]
    pieces, quads = [], []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = text[start:end]
        form: Literal["NFC", "NFKC"] = "NFKC" if _is_form(piece[0]) else "NFC"
        whole = unicodedata.normalize(form, piece)
        # A form of its own width may come out with a space to hang marks on: no character.
        whole = whole.strip() or whole[:1] if form == "NFKC" else whole
        pieces.append(whole)
        rows = boxes[start:end]
        if len(whole) != end - start:
            rows = np.repeat(_around(rows)[None], len(whole), axis=0)
        quads.append(rows)
    return "".join(pieces), np.vstack(quads)


def _combines(char: str) -> bool:
    return char > "\u02ff" and (
        unicodedata.category(char)[0] == "M" or "\u1160" <= char <= "\u11ff"
    )


def _is_form(char: str) -> bool:
    return "\ufb00" <= char <= "\ufdff" or "\ufe70" <= char <= "\ufefc"


def _around(rows: Quads) -> Quads:
    placed = rows[rows[:, 2] > rows[:, 0]]
    if not len(placed):
        return np.zeros(4)
    return np.concatenate([placed[:, :2].min(axis=0), placed[:, 2:].max(axis=0)])
