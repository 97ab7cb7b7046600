"""Scanned pages, drawn as small as a test needs them."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None,
    reason="Tesseract is not installed (Debian: tesseract-ocr, tesseract-ocr-deu)",
)
LETTER = (
    "The committee met on the fourth of March",
    "and agreed to replace both pumps before",
    "the summer. The costs of 48,200 euros are",
    "shared between the two departments.",
)


def scan(
    lines: Sequence[str] = LETTER, *, dpi: int = 150, turn: int = 0, top: float = 1.0
) -> Image.Image:
    """An upright A5 page with lines of 12 points, then turned clockwise by ``turn`` degrees."""
    image = Image.new("L", (round(5.83 * dpi), round(8.27 * dpi)), 255)
    font = ImageFont.load_default(12 * dpi / 72)
    draw = ImageDraw.Draw(image)
    for row, text in enumerate(lines):
        draw.text((0.6 * dpi, (top + 0.25 * row) * dpi), text, fill=20, font=font)
    return image.rotate(-turn, expand=True)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of an image file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def drawing(image: Image.Image, width: float, height: float) -> str:
    """Content of a PDF page of this size in points: an image that covers it."""
    bits = np.packbits(np.asarray(image.convert("L")) > 128, axis=1).tobytes()
    head = f"q {width} 0 0 {height} 0 0 cm BI /W {image.width} /H {image.height} "
    return f"{head} /CS /G /BPC 1 /F /AHx ID {bits.hex()}> EI Q\n"
