"""A page as a PNG with highlighted boxes. Runs in the child process only."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingest.parse import pdfium
from ingest.parse.drawing import drawn
from ingest.parse.image import MEDIA_TYPES, picture
from rag.errors import NotFound

_YELLOW = np.array([255, 226, 64], np.uint16)  # multiplied, so that dark text stays dark


def raster(
    path: Path,
    media_type: str,
    number: int,
    width_px: int,
    highlights: Sequence[Sequence[float]],
) -> bytes:
    """PNG of page ``number`` (from 1); ``highlights`` are x0, y0, x1, y1 as page fractions.

    Raises:
        NotFound: The document has no such page.
        CorruptDocument: The page cannot be drawn.
    """
    if media_type in MEDIA_TYPES:
        pixels = picture(path, number, width_px)
    else:
        pixels = _pdf_page(path, number, width_px)
    for box in highlights:
        _highlight(pixels, box)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=4)
    return out.getvalue()


def _pdf_page(path: Path, number: int, width_px: int) -> NDArray[np.uint8]:
    with pdfium.opened(path) as document:
        count = pdfium.page_count(document)
        if not 1 <= number <= count:
            raise NotFound(f"there is no page {number}; the document has {count}", param="page")
        with pdfium.loaded(document, number - 1) as page:
            return drawn(page, number, width_px)


def _highlight(pixels: NDArray[np.uint8], box: Sequence[float]) -> None:
    height, width = pixels.shape[:2]
    x0, x1 = (min(max(round(x * width), 0), width) for x in (box[0], box[2]))
    y0, y1 = (min(max(round(y * height), 0), height) for y in (box[1], box[3]))
    under = pixels[y0:y1, x0:x1]
    under[:] = under.astype(np.uint16) * _YELLOW // 255
