"""PDFium's C interface, as far as reading and drawing need it. Child processes only.

PDFium is not thread safe, and it aborts its process when memory runs out.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from ingest.parse.options import PASSWORD
from rag.errors import CorruptDocument, EncryptedDocument

# The device on which PDFium is asked to place page corners: fine enough for 1/65535 of a page.
_GRID = 1 << 24
_TALL = 4.0
_BOLD = 600
_MOST_OBJECTS = 2000
_MOST_MEMBERS = 50
_DEEPEST_FORM = 3
_LONGEST_TITLE = 2048
_LONGEST_TEXT = 1 << 20
_WORST_SIDE = 14_400 * 100.0


def plain(function: Any, *types: Any) -> Any:
    """The same C function with plain integers for pointers, which costs far less per call."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    return ctypes.PYFUNCTYPE(*types)(address or 0)


# One call per character and property cannot be avoided, so each is made cheap.
_pointer, _int = ctypes.c_void_p, ctypes.c_int
_get_unicode = plain(pdfium.FPDFText_GetUnicode, ctypes.c_uint, _pointer, _int)
_get_loose_box = plain(pdfium.FPDFText_GetLooseCharBox, _int, _pointer, _int, _pointer)
_get_text_object = plain(pdfium.FPDFText_GetTextObject, _pointer, _pointer, _int)
_get_font = plain(pdfium.FPDFTextObj_GetFont, _pointer, _pointer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The characters of one page in PDFium's order.

    ``codes`` are code points, shape (n,); ``boxes`` are x0, y0, x1, y1 in points on the page
    as displayed, origin top left, shape (n, 4); ``written`` is false for characters that
    PDFium put in, ``bold`` true for those of a bold font, both of shape (n,).
    """

    codes: NDArray[np.uint32]
    boxes: NDArray[np.float64]
    written: NDArray[np.bool_]
    bold: NDArray[np.bool_]
    width: float
    height: float


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A document handle.

    Raises:
        EncryptedDocument: It needs a password, or a security handler that PDFium lacks.
        CorruptDocument: It cannot be opened.
    """
    pdfium.FPDF_InitLibraryWithConfig(None)  # does nothing when called again
    password = PASSWORD.get()
    secret = None if password is None else password.encode("utf-8", "replace")
    document = pdfium.FPDF_LoadDocument(os.fsencode(path), secret)
    if not document:
        error = pdfium.FPDF_GetLastError()
        if error in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise EncryptedDocument(
                "the PDF is locked with a password; upload it again with that"
                if password is None
                else "the password does not open the PDF; upload it again with the right one"
            )
        raise CorruptDocument("the PDF is damaged: it cannot be opened")
    try:
        yield document
    finally:
        pdfium.FPDF_CloseDocument(document)


@contextmanager
def loaded(document: Any, index: int) -> Iterator[Any]:
    """A page handle, or ``None`` when the page is too damaged to load.

    Filled-in form fields become part of the page, so that their values are read and drawn,
    also where the file does not say how they look.
    """
    page = pdfium.FPDF_LoadPage(document, index)
    if page and _has_fields(page):
        with form(document) as handle:
            pdfium.FORM_OnAfterLoadPage(page, handle)
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
            pdfium.FORM_OnBeforeClosePage(page, handle)
        pdfium.FPDF_ClosePage(page)
        page = pdfium.FPDF_LoadPage(document, index)
    try:
        yield page or None
    finally:
        if page:
            pdfium.FPDF_ClosePage(page)


@contextmanager
def form(document: Any) -> Iterator[Any]:
    """A handle to the form of a document; scripts in it are not run."""
    calls = pdfium.FPDF_FORMFILLINFO(version=2)
    handle = pdfium.FPDFDOC_InitFormFillEnvironment(document, calls)
    try:
        yield handle
    finally:
        pdfium.FPDFDOC_ExitFormFillEnvironment(handle)


def _has_fields(page: Any) -> bool:
    for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        pdfium.FPDFPage_CloseAnnot(annotation)
        if kind == pdfium.FPDF_ANNOT_WIDGET:
            return True
    return False


def title(document: Any) -> str:
    """The title in the document's metadata, or an empty string."""
    found = utf16(pdfium.FPDF_GetMetaText, document, b"Title")
    return found if len(found) < _LONGEST_TITLE else ""


def utf16(get: Callable[..., int], *handles: Any) -> str:
    """A string that a function of PDFium writes into a buffer; empty when it is absurdly long."""
    length = get(*handles, None, 0)
    if not 2 < length <= _LONGEST_TEXT:
        return ""
    buffer = (ctypes.c_ushort * (length // 2 + 1))()
    get(*handles, buffer, length)
    return bytes(buffer)[:length].decode("utf-16-le", "replace").rstrip("\x00")


def page_count(document: Any) -> int:
    """Number of pages, 0 for a document without a readable page tree."""
    return int(max(0, pdfium.FPDF_GetPageCount(document)))


def has_content(page: Any) -> bool:
    """Whether anything is drawn on a page."""
    return bool(pdfium.FPDFPage_CountObjects(page) > 0)


def pictured(page: Any) -> float:
    """Share of a page that its images cover, from 0 to 1; where they overlap it counts twice."""
    width, height = size(page)
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    covered = 0.0
    for index in range(min(pdfium.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
        thing = pdfium.FPDFPage_GetObject(page, index)
        if _has_image(thing) and pdfium.FPDFPageObj_GetBounds(thing, left, bottom, right, top):
            covered += max(0.0, right.value - left.value) * max(0.0, top.value - bottom.value)
    return min(1.0, covered / (width * height)) if width else 0.0


def _has_image(thing: Any, depth: int = 0) -> bool:
    """Whether a page object is an image, or a form with one in it."""
    kind = pdfium.FPDFPageObj_GetType(thing)
    if kind != pdfium.FPDF_PAGEOBJ_FORM or depth > _DEEPEST_FORM:
        return bool(kind == pdfium.FPDF_PAGEOBJ_IMAGE)
    count = min(pdfium.FPDFFormObj_CountObjects(thing), _MOST_MEMBERS)
    members = (pdfium.FPDFFormObj_GetObject(thing, index) for index in range(count))
    return any(_has_image(member, depth + 1) for member in members)


def size(page: Any) -> tuple[float, float]:
    """Width and height in points of the page as displayed; (0, 0) when it has no sane size."""
    width, height = pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page)
    sane = 0 < width < _WORST_SIDE and 0 < height < _WORST_SIDE
    return (width, height) if sane else (0.0, 0.0)


def glyphs(page: Any) -> Glyphs:
    """The characters of a page with their places."""
    width, height = size(page)
    text = pdfium.FPDFText_LoadPage(page)
    if not text:
        return _nothing(width, height)
    try:
        pointer = ctypes.cast(text, ctypes.c_void_p).value
        count = max(0, pdfium.FPDFText_CountChars(text))
        rects = np.zeros((count, 4), dtype=np.float32)
        base = rects.ctypes.data
        codes = np.fromiter(map(_get_unicode, repeat(pointer), range(count)), np.uint32, count)
        for _ in map(_get_loose_box, repeat(pointer), range(count), _addresses(base, count)):
            pass
        objects = [handle or 0 for handle in map(_get_text_object, repeat(pointer), range(count))]
        numbers = np.array(objects, dtype=np.uint64)
        _tighten(text, rects, numbers)
        return Glyphs(
            codes=codes,
            boxes=displayed(page, rects, width, height),
            written=numbers > 0,
            bold=_bold(numbers),
            width=width,
            height=height,
        )
    finally:
        pdfium.FPDFText_ClosePage(text)


def _addresses(base: int, count: int) -> range:
    return range(base, base + 16 * count, 16) if count else range(0)


def _nothing(width: float, height: float) -> Glyphs:
    return Glyphs(
        codes=np.zeros(0, np.uint32),
        boxes=np.zeros((0, 4)),
        written=np.zeros(0, np.bool_),
        bold=np.zeros(0, np.bool_),
        width=width,
        height=height,
    )


def _tighten(text: Any, rects: NDArray[np.float32], objects: NDArray[np.uint64]) -> None:
    """Replace line-high boxes of fonts with absurd metrics by the glyphs' own outlines."""
    tall = np.abs(rects[:, 1] - rects[:, 3])
    seen = tall[(objects > 0) & (tall > 0)]
    if not len(seen):
        return
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    where = (ctypes.byref(left), ctypes.byref(right), ctypes.byref(bottom), ctypes.byref(top))
    for index in np.flatnonzero((tall > _TALL * np.median(seen)) & (objects > 0)):
        own = pdfium.FPDFText_GetFontSize(text, int(index))
        matrix = pdfium.FS_MATRIX()
        pdfium.FPDFText_GetMatrix(text, int(index), matrix)
        own *= max(abs(matrix.c), abs(matrix.d), 1e-6)
        if tall[index] > 2 * own and pdfium.FPDFText_GetCharBox(text, int(index), *where):
            rects[index] = (left.value, top.value, right.value, bottom.value)


def displayed(
    page: Any, rects: NDArray[np.float32], width: float, height: float
) -> NDArray[np.float64]:
    """Rectangles of page space in points of the displayed page: crop box and rotation applied."""
    x, y = ctypes.c_int(), ctypes.c_int()
    corners = []
    for px, py in ((0, 0), (100, 0), (0, 100)):
        pdfium.FPDF_PageToDevice(page, 0, 0, _GRID, _GRID, 0, px, py, x, y)
        corners.append((x.value / _GRID * width, y.value / _GRID * height))
    (ox, oy), (ax, ay), (bx, by) = corners
    matrix = np.array([[ax - ox, ay - oy], [bx - ox, by - oy]]) / 100
    first = rects[:, [0, 1]].astype(np.float64) @ matrix + (ox, oy)
    second = rects[:, [2, 3]].astype(np.float64) @ matrix + (ox, oy)
    boxes: NDArray[np.float64] = np.hstack([np.minimum(first, second), np.maximum(first, second)])
    return np.nan_to_num(boxes)


def _bold(objects: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each character's font is bold; files may have a text object per character."""
    numbers, inverse = np.unique(objects, return_inverse=True)
    fonts = [_get_font(number) or 0 if number else 0 for number in numbers.tolist()]
    heavy = {font: bool(font) and _is_bold(font) for font in set(fonts)}
    bold: NDArray[np.bool_] = np.array([heavy[font] for font in fonts], np.bool_)[inverse]
    return bold


def _is_bold(font: int) -> bool:
    handle = ctypes.cast(font, pdfium.FPDF_FONT)
    if pdfium.FPDFFont_GetWeight(handle) >= _BOLD:
        return True
    name = ctypes.create_string_buffer(128)
    pdfium.FPDFFont_GetBaseFontName(handle, name, len(name))
    return any(word in name.value.lower() for word in (b"bold", b"black", b"heavy"))
