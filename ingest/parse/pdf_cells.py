"""Pieces of a table's rows to its cells: in which column each stands, and which go on."""

# Dashes and minus signs stand for figures.
# ruff: noqa: RUF001
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ingest.parse.pdf_lines import Line, slice_line
from ingest.parse.pdf_rows import Row, below, beside, gaps

_TIGHT = 0.5
_FIGURE = re.compile(
    r"[-–—−+(]{0,2} ?(?:US)?[$€£¥]? ?[-–—−+(]?\d[\d., ]*[)%]{0,2}\*?|[—–−-]|[nN]/?[aAmM]\.?"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_OPEN = re.compile(r"(?:,|\b(?:and|or|of|the|to|in|for|from|by|with|und|oder|der|des|von))$")


@dataclass(slots=True)
class Cells:
    """A row of a table by column. ``spans`` says that a piece reaches over several columns."""

    by_column: dict[int, Line]
    spans: bool
    y1: float


def placed(row: Row, edges: list[float]) -> Cells:
    """A row with each piece in its column; ``edges`` are the positions between columns."""
    cells: dict[int, Line] = {}
    spans = False
    for piece in (part for whole in row.pieces for part in _divided(whole, edges)):
        first, last = (int(np.searchsorted(edges, x)) for x in (piece.x0, piece.x1))
        if last > first:
            first, last = _covered(piece, edges, first, last)
            spans |= last > first
        cells[first] = beside(cells[first], piece) if first in cells else piece
    return Cells(by_column=cells, spans=spans, y1=row.y1)


def _covered(piece: Line, edges: list[float], first: int, last: int) -> tuple[int, int]:
    """First and last column of a piece; reaching a little into a gap is not reaching over it."""
    ends = [piece.x0, *edges[first:last], piece.x1]
    shares = [b - a for a, b in pairwise(ends)]
    most = max(shares)
    within = [at for at, share in enumerate(shares) if share > 0.35 * most]
    return first + within[0], first + within[-1]


def _divided(piece: Line, edges: list[float]) -> list[Line]:
    """A piece cut at edges where its words stand farther apart than elsewhere."""
    crossed = [edge for edge in edges if piece.x0 < edge < piece.x1]
    if not crossed:
        return [piece]
    spaces = gaps(piece, 0.12)
    usual = float(np.median([end - start for _, start, end in spaces])) if spaces else 0.0
    cuts = [
        at
        for at, start, end in spaces
        if end - start > 1.25 * usual and any(start - 1 <= edge <= end + 1 for edge in crossed)
    ]
    return [
        slice_line(piece, start, end)
        for start, end in zip([0, *cuts], [*cuts, len(piece.text)], strict=True)
    ]


def same_header(row: Cells, header: Cells) -> bool:
    """Whether a row names the columns with the words of the first."""
    named = [
        {column: piece.text for column, piece in cells.by_column.items() if column}
        for cells in (row, header)
    ]
    names = all(not is_figure(text) or is_year(text) for text in named[1].values())
    return len(named[1]) > 1 and named[0] == named[1] and names


def unwrapped(cells: Sequence[Cells]) -> list[Cells]:
    """Rows with the lines of one cell put together."""
    labels = [row.by_column[0].text for row in cells if 0 in row.by_column]
    capitals = sum(label[:1].isupper() for label in labels) >= 0.5 * len(labels)
    rows: list[Cells] = []
    for row in cells:
        last = rows[-1] if rows else None
        if last is not None and _goes_on(last, row, capitals):
            for column, piece in row.by_column.items():
                above = last.by_column.get(column)
                last.by_column[column] = below(above, piece) if above is not None else piece
            last.y1 = row.y1
        else:
            rows.append(Cells(by_column=dict(row.by_column), spans=row.spans, y1=row.y1))
    return rows


def _goes_on(row: Cells, after: Cells, capitals: bool) -> bool:
    """Whether the next line belongs to the same row: a wrapped label, or a header in lines.

    ``capitals`` says that the labels of the table begin with a capital.
    """
    columns, its = row.by_column.keys(), after.by_column.keys()
    size = min(piece.size for piece in after.by_column.values())
    top = min(piece.y0 for piece in after.by_column.values())
    if top - row.y1 > _TIGHT * size or row.spans or after.spans:
        return False
    if any(
        is_figure(row.by_column[c].text) and is_figure(after.by_column[c].text)
        for c in columns & its
    ):
        return False
    if 0 not in its:
        return (its <= columns or 0 not in columns) and all(
            _overlaps(row.by_column[c], after.by_column[c]) for c in columns & its
        )
    if 0 not in columns:
        return False
    label, rest = row.by_column[0].text, after.by_column[0].text
    wrapped = capitals and rest[:1].islower() and not label.endswith((":", "."))
    return wrapped or (len(columns) == 1 and _OPEN.search(label) is not None)


def _overlaps(upper: Line, lower: Line) -> bool:
    return upper.x0 < lower.x1 and lower.x0 < upper.x1


def is_figure(text: str) -> bool:
    """Whether a cell is a number, an amount, or a sign that there is none."""
    return _FIGURE.fullmatch(text) is not None


def is_year(text: str) -> bool:
    """Whether a cell is a year, as the names of columns often are."""
    return _YEAR.fullmatch(text) is not None
