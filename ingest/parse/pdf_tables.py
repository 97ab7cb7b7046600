"""Tables without rules: rows whose pieces stand under one another.

A run of rows of which most have several pieces is a table where the gaps between the pieces
agree. Gaps between columns of prose agree as well; columns that prose fills are none.
"""

# Signs that lists begin with look like letters and hyphens.
# ruff: noqa: RUF001
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ingest.parse.pdf_cells import Cells, is_figure, is_year, placed, same_header, unwrapped
from ingest.parse.pdf_lines import Line
from ingest.parse.pdf_rows import Row, row_line, zones

_ROW_GAP = 2.2  # between rows of one table, as a multiple of their size
_RESIZED = 1.6
_MOST_ALONE = 4  # rows with one piece between two rows with several
_FEWEST = 3
_CLEAR = 0.7
_ALIGNED = 0.5
_SLACK = 3.0
_FIGURE_WEIGHT = 4
_LONG = 60
_MOST_LINES = 4000  # of a page that nobody sets
_WORD = re.compile(r"[^\W\d_]{3}|\d{2}|[^\W\d_a-zA-Z\u0370-\u03ff]{2}")
_ENUMERATOR = re.compile(
    r"[•‣▪●○◦■□–—*·o❑\x02-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|\[\d+\]|\d{1,2}(?:\.\d{1,2})*"
)


def with_tables(lines: list[Line]) -> list[Line]:
    """The lines with each row of a table as one; tables that are there already keep theirs."""
    if len(lines) > _MOST_LINES:
        return lines
    found: list[Line] = []
    number, start = max((line.table for line in lines), default=0) + 1, 0
    for rows in zones(lines):
        places = [place for row in rows for place in row.places]
        end = max(places) + 1
        taken: dict[int, list[Line]] = {}
        gone: set[int] = set()
        for run in _runs(rows):
            for table in (table for part in _apart(run) for table in _tables(part)):
                its = {place for row in table.rows for place in row.places}
                taken[min(its)] = [row_line(row.by_column, number) for row in table.cells]
                gone |= its
                number += 1
        for place in range(start, end):
            found += taken.get(place, ())
            if place not in gone:
                found.append(lines[place])
        start = end
    return found + lines[start:]


def _runs(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows close to one another, with several pieces in the first, the last and most between."""
    rows = sorted(rows, key=lambda row: (row.y0 + row.y1) / 2)
    first: int | None = None
    last = 0
    for at, row in enumerate(rows):
        if first is not None and (_far(rows[at - 1], row) or at - last > _MOST_ALONE):
            yield list(rows[first : last + 1])
            first = None
        if len(row.pieces) > 1:
            first, last = (at if first is None else first), at
    if first is not None:
        yield list(rows[first : last + 1])


def _far(row: Row, after: Row) -> bool:
    small, large = sorted((row.size, after.size))
    return after.y0 - row.y1 > _ROW_GAP * small or large > _RESIZED * small


def _apart(run: list[Row]) -> Iterator[list[Row]]:
    """A run cut at its wider gaps, unless the columns go on below them."""
    steps = [after.y0 - row.y1 for row, after in pairwise(run)]
    limit = max(1.4 * float(np.median(steps)), 0.8 * run[0].size) if steps else 0.0
    wide = [at for at, step in enumerate(steps, start=1) if step > limit]
    stretches = [run[a:b] for a, b in pairwise([0, *wide, len(run)])]
    kept = stretches[0]
    for rows in stretches[1:]:
        both = kept + rows
        goes_on = len(_edges(both)) >= max(len(_edges(kept)), len(_edges(rows)))
        if goes_on and not (_has_figures(kept) and _names_columns(rows[0])):
            kept = both
        else:
            yield kept
            kept = rows
    yield kept


def _has_figures(rows: Sequence[Row]) -> bool:
    return 2 * sum(is_figure(row.pieces[-1].text) for row in rows) >= len(rows) > 2


def _names_columns(row: Row) -> bool:
    """Whether a row after a gap begins another table: it has words or years for figures."""
    texts = [piece.text for piece in row.pieces[1:]]
    return bool(texts) and not any(is_figure(text) and not is_year(text) for text in texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    rows: list[Row]
    cells: list[Cells]


def _tables(run: list[Row]) -> Iterator[_Table]:
    """The tables of a run: cut where rows are of another make, or the header comes again."""
    edges = _edges(run) if len(run) >= _FEWEST else []
    if not edges:
        return
    for rows, fits in _alike(run, edges):
        if not fits:
            if len(rows) < len(run):
                yield from _tables(rows)
            continue
        edges = _edges(rows) if len(rows) >= _FEWEST else []
        if not edges:
            continue
        cells = [placed(row, edges) for row in rows]
        if not _is_table(cells, len(edges) + 1):
            continue
        heads = [at for at, row in enumerate(cells) if at and same_header(row, cells[0])]
        for start, end in zip([0, *heads], [*heads, len(cells)], strict=True):
            while end - start > 1 and len(cells[end - 1].by_column) == 1:
                end -= 1  # the lines that announce the next table
            yield _Table(rows=rows[start:end], cells=unwrapped(cells[start:end]))


def _alike(run: list[Row], edges: list[float]) -> Iterator[tuple[list[Row], bool]]:
    """Stretches of rows that fit the columns, and stretches that do not.

    Running text across the columns and rows with two pieces in one column do not fit; in the
    midst of a table one or two such rows are let pass.
    """
    fit = [_fits(row, edges) for row in run]
    for at in range(1, len(run)):
        if len(run[at].pieces) == 1 and fit[at]:
            fit[at] = fit[at - 1]
    bounds = [0, *(at for at in range(1, len(run)) if fit[at] != fit[at - 1]), len(run)]
    stretches = [(run[a:b], fit[a]) for a, b in pairwise(bounds)]
    kept: list[Row] = []
    for at, (rows, fits) in enumerate(stretches):
        inside = 0 < at < len(stretches) - 1
        if fits or (inside and len(rows) < _FEWEST and not _is_text(rows, edges)):
            kept += rows
            continue
        yield kept, True
        yield rows, False
        kept = []
    yield kept, True


def _fits(row: Row, edges: list[float]) -> bool:
    columns = [int(np.searchsorted(edges, (p.x0 + p.x1) / 2)) for p in row.pieces]
    if len(set(columns)) < len(columns):
        return False
    return not any(_crosses(piece, edges) and len(piece.text) > _LONG for piece in row.pieces)


def _is_text(rows: Sequence[Row], edges: list[float]) -> bool:
    """Whether rows are running text: several lines across the columns, or one that closes."""
    across = [row for row in rows if len(row.pieces) == 1 and _crosses(row.pieces[0], edges)]
    closed = any(row.pieces[0].text.endswith((".", ":")) for row in across)
    return len(across) > 1 or closed


def _crosses(piece: Line, edges: list[float]) -> bool:
    return piece.x0 < edges[0] and piece.x1 > edges[0] + _SLACK


def _edges(rows: Sequence[Row]) -> list[float]:
    """Where the gaps between pieces agree: one position between every two columns."""
    width = int(max(row.pieces[-1].x1 for row in rows)) + 2
    clear, blocked = np.zeros(width), np.zeros(width)
    for row in rows:
        for piece in row.pieces:  # headers reach over several columns, figures never do
            weight = _FIGURE_WEIGHT if is_figure(piece.text) else 1
            blocked[max(0, int(piece.x0)) : int(piece.x1) + 1] += weight
        for left, right in pairwise(row.pieces):
            clear[max(0, int(left.x1) + 1) : max(0, int(right.x0))] += 1
    several = sum(len(row.pieces) > 1 for row in rows)
    open_ = (clear >= max(2, 0.25 * several)) & (clear >= _CLEAR * (clear + blocked))
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], open_, [False]]).astype(np.int8)))
    edges: list[tuple[float, float]] = []
    for start, end in bounds.reshape(-1, 2).tolist():
        least = blocked[start:end].min()
        best = np.flatnonzero(blocked[start:end] == least) + start
        edges.append((float(best[len(best) // 2]) + 0.5, least))
    return _with_columns(rows, edges)


def _with_columns(rows: Sequence[Row], edges: list[tuple[float, float]]) -> list[float]:
    """The edges between which columns have pieces of their own; the least crossed come first."""
    parts = [piece for row in rows for piece in row.pieces]
    kept: list[float] = []
    for edge, _ in sorted(edges, key=lambda each: each[1]):
        bounds = [-1.0, *sorted([*kept, edge]), float("inf")]
        at = bounds.index(edge)
        beside_it = (bounds[at - 1 : at + 1], bounds[at : at + 2])
        if all(sum(low < p.x0 and p.x1 < high for p in parts) > 1 for low, high in beside_it):
            kept.append(edge)
    return sorted(kept)


def _is_table(cells: Sequence[Cells], columns: int) -> bool:
    several = sum(len(row.by_column) > 1 for row in cells)
    if several < _FEWEST - (columns > 2) or several < 0.4 * len(cells):
        return False
    by_column = [[row.by_column[c] for row in cells if c in row.by_column] for c in range(columns)]
    if sum(map(_is_prose, by_column)) > 1:
        return False
    marks = sum(_ENUMERATOR.fullmatch(piece.text) is not None for piece in by_column[0])
    if columns == 2 and marks >= 0.6 * len(by_column[0]):
        return False  # a list
    told = sum(any(map(_tells, row.by_column.values())) for row in cells)
    return told >= 0.6 * len(cells) and all(map(_is_aligned, by_column[1:]))


def _tells(piece: Line) -> bool:
    """Whether a piece has a word or a number; those of formulas and drawings rarely do."""
    return _WORD.search(piece.text) is not None


def _is_prose(column: Sequence[Line]) -> bool:
    """Whether lines of a column run on from one to the next and fill it."""
    if len(column) < _FEWEST:
        return False
    start, end = min(piece.x0 for piece in column), max(piece.x1 for piece in column)
    full = sum(piece.x1 - piece.x0 > 0.75 * (end - start) for piece in column)
    runs_on = sum(piece.text[:1].islower() for piece in column)
    long = float(np.median([len(piece.text) for piece in column])) >= 15
    return long and full >= 0.5 * len(column) and runs_on >= 0.35 * len(column)


def _is_aligned(column: Sequence[Line]) -> bool:
    """Whether most pieces of a column share their left or right end or their middle."""
    for ends in (
        [piece.x0 for piece in column],
        [piece.x1 for piece in column],
        [(piece.x0 + piece.x1) / 2 for piece in column],
    ):
        places = np.sort(np.array(ends))
        near = np.searchsorted(places, places + 2 * _SLACK) - np.arange(len(places))
        if int(near.max(initial=0)) >= max(2.0, _ALIGNED * len(places)):
            return True
    return len(column) < 2
