"""The straight lines that are drawn on a page: what rules a table."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from ingest.parse.pdfium import displayed, plain, size

_THIN = 2.5  # points: a filled rectangle not wider than this is a line
_SHORTEST = 4.0
_MOST_OBJECTS = 20_000  # of a drawing rather than of tables
_MOST_SEGMENTS = 400  # of one path
_DEEPEST = 4
_PATH, _FORM = pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_FORM

_pointer, _int, _float = ctypes.c_void_p, ctypes.c_int, ctypes.c_float
_count_objects = plain(pdfium.FPDFPage_CountObjects, _int, _pointer)
_get_object = plain(pdfium.FPDFPage_GetObject, _pointer, _pointer, _int)
_count_inner = plain(pdfium.FPDFFormObj_CountObjects, _int, _pointer)
_get_inner = plain(pdfium.FPDFFormObj_GetObject, _pointer, _pointer, ctypes.c_ulong)
_get_type = plain(pdfium.FPDFPageObj_GetType, _int, _pointer)
_get_matrix = plain(pdfium.FPDFPageObj_GetMatrix, _int, _pointer, _pointer)
_get_draw_mode = plain(pdfium.FPDFPath_GetDrawMode, _int, _pointer, _pointer, _pointer)
_count_segments = plain(pdfium.FPDFPath_CountSegments, _int, _pointer)
_get_segment = plain(pdfium.FPDFPath_GetPathSegment, _pointer, _pointer, _int)
_get_point = plain(pdfium.FPDFPathSegment_GetPoint, _int, _pointer, _pointer, _pointer)
_get_kind = plain(pdfium.FPDFPathSegment_GetType, _int, _pointer)
_get_close = plain(pdfium.FPDFPathSegment_GetClose, _int, _pointer)

Matrix = tuple[float, float, float, float, float, float]
_SAME: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Lines in points of the displayed page, as x0, y0, x1, y1, shape (n, 4)."""

    level: NDArray[np.float64]
    upright: NDArray[np.float64]


def rules(page: Any) -> Rules:
    """The level and upright lines of a page: strokes, thin rectangles, outlines of boxes."""
    found = [segment for path in _paths(page) for segment in _lines(*path)]
    quads = np.array(found, dtype=np.float32).reshape(-1, 4)
    width, height = size(page)
    boxes = displayed(page, quads, width, height)
    wide, tall = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    level = (tall <= _THIN) & (wide >= _SHORTEST)
    upright = (wide <= _THIN) & (tall >= _SHORTEST)
    return Rules(level=boxes[level], upright=boxes[upright])


def _paths(page: Any) -> Iterator[tuple[int, Matrix]]:
    """Path objects with the matrix that places them, those inside form objects included."""
    pointer = ctypes.cast(page, ctypes.c_void_p).value
    waiting = [(pointer, _SAME, 0)]
    left = _MOST_OBJECTS
    while waiting and left > 0:
        holder, outer, depth = waiting.pop()
        count, get = (_count_inner, _get_inner) if depth else (_count_objects, _get_object)
        handles = list(map(get, repeat(holder), range(min(count(holder), left))))
        left -= len(handles)
        for handle, kind in zip(handles, map(_get_type, handles), strict=True):
            if kind == _PATH:
                yield handle, _times(_matrix(handle), outer)
            elif kind == _FORM and depth < _DEEPEST:
                waiting.append((handle, _times(_matrix(handle), outer), depth + 1))


def _lines(handle: int, matrix: Matrix) -> Iterator[tuple[float, float, float, float]]:
    """Corners of the straight lines of a path, in page space."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    _get_draw_mode(handle, ctypes.addressof(fill), ctypes.addressof(stroke))
    count = _count_segments(handle)
    if not 2 <= count <= _MOST_SEGMENTS or not (fill.value or stroke.value):
        return
    subpaths = _subpaths(handle, count, matrix)
    for points, straight in subpaths:
        if stroke.value and straight:
            yield from ((*a, *b) for a, b in pairwise(points))
        elif straight:
            xs, ys = [x for x, _ in points], [y for _, y in points]
            box = (min(xs), min(ys), max(xs), max(ys))
            if min(box[2] - box[0], box[3] - box[1]) <= _THIN:
                yield box


def _subpaths(
    handle: int, count: int, matrix: Matrix
) -> list[tuple[list[tuple[float, float]], bool]]:
    a, b, c, d, e, f = matrix
    x, y = ctypes.c_float(), ctypes.c_float()
    at_x, at_y = ctypes.addressof(x), ctypes.addressof(y)
    found: list[tuple[list[tuple[float, float]], bool]] = []
    points: list[tuple[float, float]] = []
    straight = True
    for k in range(count):
        segment = _get_segment(handle, k)
        _get_point(segment, at_x, at_y)
        kind = _get_kind(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            if len(points) > 1:
                found.append((points, straight))
            points, straight = [], True
        straight &= kind != pdfium.FPDF_SEGMENT_BEZIERTO
        points.append((a * x.value + c * y.value + e, b * x.value + d * y.value + f))
        if _get_close(segment) and points[0] != points[-1]:
            points.append(points[0])
    if len(points) > 1:
        found.append((points, straight))
    return found


def _matrix(handle: int) -> Matrix:
    matrix = pdfium.FS_MATRIX()
    if not _get_matrix(handle, ctypes.addressof(matrix)):
        return _SAME
    return (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _times(inner: Matrix, outer: Matrix) -> Matrix:
    if outer is _SAME:
        return inner
    a, b, c, d, e, f = inner
    oa, ob, oc, od, oe, of = outer
    return (
        a * oa + b * oc,
        a * ob + b * od,
        c * oa + d * oc,
        c * ob + d * od,
        e * oa + f * oc + oe,
        e * ob + f * od + of,
    )
