"""A page of a PDF as a PNG with highlighted boxes. Runs in the child process only."""

from __future__ import annotations

import ctypes
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2.raw as raw
from numpy.typing import NDArray
from PIL import Image

from ingest.parse import pdfium
from rag.errors import CorruptDocument, NotFound

_MOST_PIXELS = 24_000_000
_YELLOW = np.array([255, 226, 64], np.uint16)  # multiplied, so that dark text stays dark


def raster(path: Path, number: int, width_px: int, highlights: Sequence[Sequence[float]]) -> bytes:
    """PNG of page ``number`` (from 1); ``highlights`` are x0, y0, x1, y1 as page fractions.

    Raises:
        NotFound: The document has no such page.
        CorruptDocument: The page cannot be drawn.
    """
    with pdfium.opened(path) as document:
        count = pdfium.page_count(document)
        if not 1 <= number <= count:
            raise NotFound(f"there is no page {number}; the document has {count}", param="page")
        with pdfium.loaded(document, number - 1) as page:
            pixels = _drawn(page, number, width_px)
    for box in highlights:
        _highlight(pixels, box)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=4)
    return out.getvalue()


def _drawn(page: Any, number: int, width_px: int) -> NDArray[np.uint8]:
    width, height = pdfium.size(page) if page is not None else (0.0, 0.0)
    if not width:
        raise CorruptDocument(f"page {number} is damaged and cannot be drawn")
    height_px = max(1, round(width_px * height / width))
    if width_px * height_px > _MOST_PIXELS:
        shrink = (_MOST_PIXELS / (width_px * height_px)) ** 0.5
        width_px, height_px = max(1, int(width_px * shrink)), max(1, int(height_px * shrink))
    pixels = np.full((height_px, width_px, 4), 255, np.uint8)
    buffer = pixels.ctypes.data_as(ctypes.c_void_p)
    bitmap = raw.FPDFBitmap_CreateEx(
        width_px, height_px, raw.FPDFBitmap_BGRx, buffer, pixels.strides[0]
    )
    if not bitmap:
        raise CorruptDocument(f"page {number} cannot be drawn at {width_px} pixels")
    flags = raw.FPDF_ANNOT | raw.FPDF_REVERSE_BYTE_ORDER
    raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width_px, height_px, 0, flags)
    raw.FPDFBitmap_Destroy(bitmap)
    return np.ascontiguousarray(pixels[:, :, :3])


def _highlight(pixels: NDArray[np.uint8], box: Sequence[float]) -> None:
    height, width = pixels.shape[:2]
    x0, x1 = (min(max(round(x * width), 0), width) for x in (box[0], box[2]))
    y0, y1 = (min(max(round(y * height), 0), height) for y in (box[1], box[3]))
    under = pixels[y0:y1, x0:x1]
    under[:] = under.astype(np.uint16) * _YELLOW // 255
