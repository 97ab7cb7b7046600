"""Ruled tables: rules that cross make a grid, and the text between them its cells.

Rules may be missing inside: a cell then reaches over several places of the grid and counts
where it begins. Where only the columns are ruled, rows are told apart as they are without
rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ingest.parse.pdf_lines import Line, slice_line
from ingest.parse.pdf_rows import below, beside, row_line
from ingest.parse.pdf_rules import Rules

_SNAP = 3.0  # points by which rules that meet may miss one another
_MOST_RULES = 1500
_MOST_PLACES = 120  # rows or columns of one grid
_FEWEST_CELLS = 4
_LONGEST_CELL = 600
_NARROW = 4.0
_BASELINE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Edges of rows and columns, and for each place of the grid the number of its cell."""

    ys: NDArray[np.float64]
    xs: NDArray[np.float64]
    cells: NDArray[np.int64]


def with_grids(lines: list[Line], rules: Rules) -> list[Line]:
    """The lines with each row of a ruled table as one, tables numbered from 1."""
    number = 0
    for grid in _grids(rules):
        taken = _taken(lines, grid)
        if taken is None:
            continue
        number += 1
        rows, parts = taken
        table = [row_line(cells, number) for cells in rows]
        # The table stands where its first line stood; what lies beside it stays in its place.
        ordered: list[Line] = []
        for place, line in enumerate(lines):
            if place == min(parts):
                ordered += table
            ordered += parts.get(place, [line])
        lines = ordered
    return lines


def _taken(
    lines: Sequence[Line], grid: _Grid
) -> tuple[list[dict[int, Line]], dict[int, list[Line]]] | None:
    """Rows of a grid's cells by column, and what the grid leaves of each line it takes from."""
    inside: dict[int, list[Line]] = {}
    left: dict[int, list[Line]] = {}
    for place, line in enumerate(lines):
        if line.table or not line.upright or not _touches(line, grid):
            continue
        parts = list(_parts(line, grid))
        if any(cell >= 0 for cell, _ in parts):
            left[place] = [part for cell, part in parts if cell < 0]
        for cell, part in parts:
            if cell >= 0:
                inside.setdefault(cell, []).append(part)
    columns = {int(np.argwhere(grid.cells == cell)[0][1]) for cell in inside}
    if len(columns) < 2 or len(inside) < _FEWEST_CELLS:
        return None
    if max(sum(len(part.text) for part in parts) for parts in inside.values()) > _LONGEST_CELL:
        return None  # a page laid out with boxes
    rows = _rows(inside, grid)
    return (rows, left) if len(rows) > 1 else None


def _touches(line: Line, grid: _Grid) -> bool:
    middle = (line.y0 + line.y1) / 2
    return bool(
        grid.ys[0] < middle < grid.ys[-1] and line.x1 > grid.xs[0] and line.x0 < grid.xs[-1]
    )


def _parts(line: Line, grid: _Grid) -> Iterator[tuple[int, Line]]:
    """A line cut where the rules cut it, each part with the number of its cell or -1."""
    row = int(np.searchsorted(grid.ys, (line.y0 + line.y1) / 2)) - 1
    placed = np.flatnonzero(line.boxes[:, 2] > line.boxes[:, 0])
    middles = (line.boxes[placed, 0] + line.boxes[placed, 2]) / 2
    columns = np.searchsorted(grid.xs, middles) - 1
    outside = (columns < 0) | (columns >= len(grid.xs) - 1)
    cells = np.where(outside, -1, grid.cells[row, np.clip(columns, 0, len(grid.xs) - 2)])
    starts = [0, *(np.flatnonzero(np.diff(cells)) + 1).tolist(), len(placed)]
    for start, end in pairwise(starts):
        if start == end:
            continue
        first = int(placed[start])
        last = int(placed[end]) if end < len(placed) else len(line.text)
        yield int(cells[start]), slice_line(line, first, last)


def _rows(inside: dict[int, list[Line]], grid: _Grid) -> list[dict[int, Line]]:
    """Cells by row and column of the grid; a band with many lines is one row a line."""
    bands: dict[int, dict[int, list[Line]]] = {}
    for cell, parts in inside.items():
        row, column = np.argwhere(grid.cells == cell)[0].tolist()
        bands.setdefault(row, {})[column] = parts
    used = sorted({column for band in bands.values() for column in band})
    rank = {column: at for at, column in enumerate(used)}
    rows: list[dict[int, Line]] = []
    for _, band in sorted(bands.items()):
        ranked = {rank[column]: parts for column, parts in band.items()}
        rows += _by_line(ranked) or [{c: _cell(parts) for c, parts in ranked.items()}]
    return rows


def _by_line(band: dict[int, list[Line]]) -> list[dict[int, Line]]:
    """The lines of a band as rows of their own, if they stand side by side in its columns."""
    tops = sorted(part.y0 for parts in band.values() for part in parts)
    size = min(part.size for parts in band.values() for part in parts)
    levels = [tops[0]]
    for top in tops:
        if top > levels[-1] + _BASELINE * size:
            levels.append(top)
    rows: list[dict[int, Line]] = [{} for _ in levels]
    for column, parts in sorted(band.items()):
        for part in parts:
            row = rows[int(np.searchsorted(levels, part.y0 + 0.1, side="right")) - 1]
            row[column] = beside(row[column], part) if column in row else part
    several = sum(len(row) > 1 for row in rows)
    figures = sum(
        sum(map(str.isdigit, part.text)) >= 0.4 * len(part.text)
        for row in rows
        for column, part in row.items()
        if column
    )
    if len(rows) < 3 or several < 0.7 * len(rows) or figures < several:
        return []
    return rows


def _cell(parts: Sequence[Line]) -> Line:
    """The lines of a cell as one, from top to bottom."""
    ordered = sorted(parts, key=lambda part: part.y0)
    whole = ordered[0]
    for part in ordered[1:]:
        level = part.y0 < whole.y1 - 0.5 * part.size and part.x0 >= whole.x1 - 1
        whole = beside(whole, part) if level else below(whole, part)
    return whole


def _grids(rules: Rules) -> list[_Grid]:
    """Grids of rules that cross, from the top of the page."""
    level, upright = rules.level, rules.upright
    if not 1 < len(upright) <= _MOST_RULES or not 1 < len(level) <= _MOST_RULES:
        return []
    level, upright = _merged(level, 0), _merged(upright, 1)
    crossing = (
        (level[:, None, 0] <= upright[None, :, 2] + _SNAP)
        & (level[:, None, 2] >= upright[None, :, 0] - _SNAP)
        & (level[:, None, 1] <= upright[None, :, 3] + _SNAP)
        & (level[:, None, 3] >= upright[None, :, 1] - _SNAP)
    )
    grids = []
    for levels, uprights in _connected(crossing):
        grid = _grid(level[levels], upright[uprights])
        if grid is not None:
            grids.append(grid)
    return sorted(grids, key=lambda grid: float(grid.ys[0]))


def _merged(rules: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Pieces of one rule put together; ``axis`` is the one along which they run."""
    across = (rules[:, 1 - axis] + rules[:, 3 - axis]) / 2
    order = np.lexsort((rules[:, axis], np.rint(across / 1.5)))
    merged: list[list[float]] = []
    for rule, middle in zip(rules[order].tolist(), across[order].tolist(), strict=True):
        last = merged[-1] if merged else None
        if (
            last is not None
            and abs((last[1 - axis] + last[3 - axis]) / 2 - middle) <= 1.5
            and rule[axis] <= last[2 + axis] + _SNAP
        ):
            last[2 + axis] = max(last[2 + axis], rule[2 + axis])
        else:
            merged.append(rule)
    return np.array(merged).reshape(-1, 4)


def _connected(crossing: NDArray[np.bool_]) -> Iterator[tuple[list[int], list[int]]]:
    """Groups of level and upright rules that hang together."""
    left = set(range(crossing.shape[0]))
    while left:
        levels, uprights = {left.pop()}, set[int]()
        fresh = set(levels)
        while fresh:
            found = set(np.flatnonzero(crossing[sorted(fresh)].any(axis=0)).tolist()) - uprights
            uprights |= found
            fresh = (
                set(np.flatnonzero(crossing[:, sorted(found)].any(axis=1)).tolist()) - levels
                if found
                else set()
            )
            levels |= fresh
        left -= levels
        if len(levels) > 1 and len(uprights) > 1:
            yield sorted(levels), sorted(uprights)


def _grid(level: NDArray[np.float64], upright: NDArray[np.float64]) -> _Grid | None:
    ys = _places((level[:, 1] + level[:, 3]) / 2, upright[:, 1].min(), upright[:, 3].max())
    xs = _places((upright[:, 0] + upright[:, 2]) / 2, level[:, 0].min(), level[:, 2].max())
    if not (2 <= len(ys) - 1 <= _MOST_PLACES and 2 <= len(xs) - 1 <= _MOST_PLACES):
        return None
    rows, columns = len(ys) - 1, len(xs) - 1
    middle_x, middle_y = (xs[1:] + xs[:-1]) / 2, (ys[1:] + ys[:-1]) / 2
    # Whether a rule runs under each place, and whether one runs to the right of it.
    floor = _ruled(level, ys[1:-1], middle_x, 0)
    wall = _ruled(upright, xs[1:-1], middle_y, 1).T
    cells = np.arange(rows * columns).reshape(rows, columns)
    for row in range(rows):
        for column in range(columns):
            if row + 1 < rows and not floor[row, column]:
                _join(cells, (row, column), (row + 1, column))
            if column + 1 < columns and not wall[row, column]:
                _join(cells, (row, column), (row, column + 1))
    return _Grid(ys=ys, xs=xs, cells=cells)


def _join(cells: NDArray[np.int64], one: tuple[int, int], other: tuple[int, int]) -> None:
    low, high = sorted((int(cells[one]), int(cells[other])))
    cells[cells == high] = low


def _ruled(
    rules: NDArray[np.float64], edges: NDArray[np.float64], along: NDArray[np.float64], axis: int
) -> NDArray[np.bool_]:
    """Whether a rule at each edge covers each position along it, shape (edges, positions)."""
    across = (rules[:, 1 - axis] + rules[:, 3 - axis]) / 2
    near = np.abs(across[None, :] - edges[:, None]) <= _SNAP
    covers = (rules[None, :, axis] <= along[:, None]) & (along[:, None] <= rules[None, :, 2 + axis])
    found: NDArray[np.bool_] = np.any(near[:, None, :] & covers[None, :, :], axis=2)
    return found


def _places(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Distinct positions of rules, and the ends of the rules across them where none is."""
    distinct: list[float] = []
    for value in np.sort(np.append(values, (low, high))).tolist():
        if not distinct or value - distinct[-1] > _NARROW:
            distinct.append(value)
    return np.array(distinct)
