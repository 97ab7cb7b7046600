"""Lines as pieces that stand apart, pieces as rows, and rows of a table as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ingest.parse.pdf_lines import LINE_HYPHEN, Line, slice_line

APART = 0.6
"""Gap between two pieces of a line, as a fraction of its size: about two spaces."""
_FARTHEST = 14  # rows that a line may stand above the one written before it, in one zone
_SIGNS = frozenset("$€£¥")
_CURRENCY = frozenset(("$", "€", "£", "¥", "US$", "(", "($", "(€", "(£"))
_CLOSING = frozenset((")", "%", ")%", "%)", "pts", "pp"))


@dataclass(slots=True)
class Row:
    """Pieces side by side, from left to right; ``places`` are the positions of their lines."""

    pieces: list[Line]
    places: list[int]
    y0: float
    y1: float

    @property
    def size(self) -> float:
        """Height of its smallest type."""
        return min(piece.size for piece in self.pieces)


def pieces(line: Line) -> list[Line]:
    """A line cut at its wide gaps; signs of currency and closing brackets stay with a figure."""
    cuts = [at for at, _, _ in gaps(line, APART)]
    if not cuts:
        return [line]
    parts = [
        slice_line(line, start, end)
        for start, end in zip([0, *cuts], [*cuts, len(line.text)], strict=True)
    ]
    return signed(parts)


def signed(parts: Sequence[Line]) -> list[Line]:
    """Pieces of one row with "$" and "%" put to the figures that they belong to."""
    joined: list[Line] = []
    for part in (each for whole in parts for each in _unsigned(whole)):
        last = joined[-1] if joined else None
        if last is not None and (last.text in _CURRENCY or part.text in _CLOSING):
            joined[-1] = beside(last, part)
        else:
            joined.append(part)
    return joined


def _unsigned(part: Line) -> list[Line]:
    """A piece, and apart from it the sign of the next figure, if it stands close before that."""
    before, _, sign = part.text.rpartition(" ")
    if sign not in _SIGNS or not before.strip():
        return [part]
    return [slice_line(part, 0, len(before)), slice_line(part, len(before), len(part.text))]


def gaps(line: Line, least: float) -> list[tuple[int, float, float]]:
    """Gaps inside a line wider than so many times its size: code point after it, start, end."""
    if not line.upright:
        return []
    placed = np.flatnonzero(line.boxes[:, 2] > line.boxes[:, 0])
    starts, ends = line.boxes[placed, 0], line.boxes[placed, 2]
    wide = np.flatnonzero(starts[1:] - ends[:-1] > least * line.size)
    return [(int(placed[k + 1]), float(ends[k]), float(starts[k + 1])) for k in wide]


def beside(left: Line, right: Line, between: str = " ") -> Line:
    """Two pieces as one, with ``between`` between their texts."""
    space = np.zeros((len(between), 4))
    return replace(
        left,
        text=left.text + between + right.text,
        boxes=np.vstack([left.boxes, space, right.boxes]),
        x0=min(left.x0, right.x0),
        y0=min(left.y0, right.y0),
        x1=max(left.x1, right.x1),
        y1=max(left.y1, right.y1),
    )


def below(upper: Line, lower: Line) -> Line:
    """Two lines of one cell as one; a word divided between them is joined."""
    if not upper.text.endswith(LINE_HYPHEN):
        return beside(upper, lower)
    if lower.text[:1].islower():
        return beside(slice_line(upper, 0, len(upper.text) - 1), lower, "")
    return beside(replace(upper, text=upper.text[:-1] + "-"), lower, "")


def zones(lines: Sequence[Line]) -> list[list[Row]]:
    """Rows of the lines, apart wherever the writing jumps up to another column of the page.

    Lines come in the order in which they were written. Cells with several lines may be
    written one after the other, so a line joins any recent row beside which it stands. Rows
    of tables and text that does not stand upright are left out.
    """
    found: list[list[Row]] = [[]]
    for place, line in enumerate(lines):
        rows = found[-1]
        if line.table or not line.upright:
            found.append([])
            continue
        row = _beside_which(rows, line)
        if row is not None:
            row.pieces = sorted([*row.pieces, *pieces(line)], key=lambda piece: piece.x0)
            row.places.append(place)
            row.y0, row.y1 = min(row.y0, line.y0), max(row.y1, line.y1)
            continue
        if rows and _leaves(rows, line):
            found.append([])
        found[-1].append(Row(pieces=pieces(line), places=[place], y0=line.y0, y1=line.y1))
    for rows in found:
        for row in rows:
            row.pieces = signed(row.pieces)
    return [rows for rows in found if rows]


def _leaves(rows: Sequence[Row], line: Line) -> bool:
    """Whether a line stands above all that was written of late: in another column, or apart."""
    return line.y1 < min(row.y0 for row in rows[-_FARTHEST:]) + 0.5 * line.size


def _beside_which(rows: Sequence[Row], line: Line) -> Row | None:
    for row in rows[: -_FARTHEST - 1 : -1]:
        overlap = min(row.y1, line.y1) - max(row.y0, line.y0)
        if overlap < 0.5 * min(line.size, row.y1 - row.y0):
            continue
        if any(p.x0 < line.x1 - 1 and line.x0 < p.x1 - 1 for p in row.pieces):
            continue
        return row
    return None


def row_line(cells: Mapping[int, Line], table: int) -> Line:
    """A row as one line of text: a tab before every column but the first, none left over."""
    columns = sorted(cells)
    whole: Line | None = None
    spans: list[tuple[int, int, int]] = []
    for before, column in zip([0, *columns], columns, strict=False):
        cell = _plain(cells[column])
        tabs = "\t" * (column - before)
        if whole is None:
            whole = replace(
                cell, text=tabs + cell.text, boxes=np.vstack([np.zeros((len(tabs), 4)), cell.boxes])
            )
        else:
            whole = beside(whole, cell, tabs)
        spans.append((column, len(whole.text) - len(cell.text), len(whole.text)))
    assert whole is not None  # noqa: S101 - rows without cells are not asked for
    return replace(whole, table=table, cells=tuple(spans))


def _plain(cell: Line) -> Line:
    """A cell without the mark of a hyphen at its end."""
    if cell.text.endswith(LINE_HYPHEN):
        return replace(cell, text=cell.text[:-1] + "-")
    return cell
