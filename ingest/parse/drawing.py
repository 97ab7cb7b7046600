"""Pages of a PDF as pixels. Child processes only."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pypdfium2.raw as raw
from numpy.typing import NDArray

from ingest.parse import pdfium
from rag.errors import CorruptDocument

MOST_PIXELS = 24_000_000


def drawn(page: Any, number: int, width_px: int) -> NDArray[np.uint8]:
    """A page in colour, shape (height, width, 3); narrower where it would be too large.

    Raises:
        CorruptDocument: It cannot be drawn.
    """
    width, height = _size(page, number)
    pixels = _blank(width_px, width_px * height / width, 4)
    _draw(page, number, pixels, raw.FPDFBitmap_BGRx, raw.FPDF_REVERSE_BYTE_ORDER)
    return np.ascontiguousarray(pixels[:, :, :3])


def drawn_gray(page: Any, number: int, dpi: float) -> NDArray[np.uint8]:
    """A page in shades of grey, shape (height, width), at less than ``dpi`` if too large.

    Raises:
        CorruptDocument: It cannot be drawn.
    """
    width, height = _size(page, number)
    pixels = _blank(width * dpi / 72, height * dpi / 72, 1)
    _draw(page, number, pixels, raw.FPDFBitmap_Gray, 0)
    return pixels[:, :, 0]


def fitting(width: float, height: float, most: int = MOST_PIXELS) -> tuple[int, int]:
    """Whole numbers of pixels in proportion, at most ``most`` in all."""
    shrink = min(1.0, (most / (width * height)) ** 0.5)
    whole = round if shrink == 1.0 else int
    return max(1, whole(width * shrink)), max(1, whole(height * shrink))


def _size(page: Any, number: int) -> tuple[float, float]:
    width, height = pdfium.size(page) if page is not None else (0.0, 0.0)
    if not width:
        raise CorruptDocument(f"page {number} is damaged and cannot be drawn")
    return width, height


def _blank(width: float, height: float, channels: int) -> NDArray[np.uint8]:
    columns, rows = fitting(width, height)
    return np.full((rows, columns, channels), 255, np.uint8)


def _draw(page: Any, number: int, pixels: NDArray[np.uint8], form: int, flags: int) -> None:
    rows, columns, _ = pixels.shape
    buffer = pixels.ctypes.data_as(ctypes.c_void_p)
    bitmap = raw.FPDFBitmap_CreateEx(columns, rows, form, buffer, pixels.strides[0])
    if not bitmap:
        raise CorruptDocument(f"page {number} cannot be drawn at {columns} pixels")
    raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, columns, rows, 0, raw.FPDF_ANNOT | flags)
    raw.FPDFBitmap_Destroy(bitmap)
