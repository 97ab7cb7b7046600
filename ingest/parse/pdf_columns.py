"""Two columns that were written row by row, taken apart.

Some programs write a page from top to bottom across both columns, and PDFium then reads the
two halves of a row as one line. A table looks alike, but its cells are of uneven width,
while the lines of a column of prose fill it: only such pages are touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ingest.parse.pdf_lines import LINE_HYPHEN, Line, slice_line

_FEWEST = 6
_GAP = 0.7
_FULL = 0.85
_MOSTLY = 0.6


def unwoven(lines: list[Line], width: float) -> list[Line]:
    """The lines with both columns one after the other, wherever they were woven together."""
    gutter = _gutter(lines, width)
    if gutter is None:
        return lines
    ordered: list[Line] = []
    left: list[Line] = []
    right: list[Line] = []
    for line in lines:
        if line.x1 <= gutter:
            left.append(line)
        elif line.x0 >= gutter:
            right.append(line)
        elif halves := _halves(line, gutter):
            left.append(halves[0])
            right.append(halves[1])
        else:  # a heading or a figure across both columns
            ordered += [*left, *right, line]
            left, right = [], []
    return [*ordered, *left, *right]


def _gutter(lines: Sequence[Line], width: float) -> float | None:
    """Middle of the gap that most divided rows share, if both sides of it are prose."""
    crossing = np.zeros(int(width) + 2)
    beside = [pair for pair in pairwise(lines) if _side_by_side(*pair)]
    gaps = [gap for line in lines for gap in _gaps(line)]
    for start, end in [*gaps, *((left.x1, right.x0) for left, right in beside)]:
        crossing[max(0, int(start)) : max(0, int(end)) + 1] += 1
    if crossing.max(initial=0) < _FEWEST:
        return None
    # The middle of the widest stretch that the most rows leave empty.
    best = np.flatnonzero(crossing >= 0.9 * crossing.max())
    gutter = float(best[len(best) // 2]) + 0.5
    rows = [halves for line in lines if (halves := _halves(line, gutter))]
    rows += [(left, right) for left, right in beside if left.x1 <= gutter <= right.x0]
    if len(rows) < _FEWEST or not 0.25 * width < gutter < 0.75 * width:
        return None
    sides = ([left for left, _ in rows], [right for _, right in rows])
    return gutter if all(_is_prose(side) for side in sides) else None


def _side_by_side(line: Line, after: Line) -> bool:
    overlap = min(line.y1, after.y1) - max(line.y0, after.y0)
    upright = line.upright and after.upright and not (line.table or after.table)
    return upright and after.x0 > line.x1 and overlap > 0.3 * min(line.size, after.size)


def _is_prose(side: Sequence[Line]) -> bool:
    start = float(np.percentile([line.x0 for line in side], 10))
    end = float(np.percentile([line.x1 for line in side], 90))
    full = sum(line.x1 - line.x0 >= _FULL * (end - start) for line in side)
    wordy = sum(sum(map(str.islower, line.text)) >= 0.5 * len(line.text) for line in side)
    return min(full, wordy) >= _MOSTLY * len(side)


def _gaps(line: Line) -> list[tuple[float, float]]:
    if line.table or not line.upright:
        return []
    placed = line.boxes[line.boxes[:, 2] > line.boxes[:, 0]]
    wide = np.flatnonzero(placed[1:, 0] - placed[:-1, 2] > _GAP * line.size)
    return [(float(placed[i, 2]), float(placed[i + 1, 0])) for i in wide]


def _halves(line: Line, gutter: float) -> tuple[Line, Line] | None:
    """What stands on either side of the gutter; ``None`` when something stands across it."""
    if not any(start <= gutter <= end for start, end in _gaps(line)):
        return None
    placed = line.boxes[:, 2] > line.boxes[:, 0]
    at = int(np.flatnonzero(placed & (line.boxes[:, 0] >= gutter))[0])
    if (placed & (line.boxes[:, 0] < gutter))[at:].any():
        return None
    return _part(line, 0, at), _part(line, at, len(line.text))


def _part(line: Line, start: int, end: int) -> Line:
    part = slice_line(line, start, end)
    if part.text.endswith("-") and part.text[-2:-1].isalpha():
        return replace(part, text=part.text[:-1] + LINE_HYPHEN)
    return part
