"""A letter as an office scanner keeps it: an image in a PDF, a little askew, with dust and noise."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pypdfium2
from PIL import Image, ImageFilter

from . import programs

_DPI = 200
_TILT = 1.3  # degrees


def write(samples: Path, work: Path) -> None:
    """Writes ``letter-fernhill-scan.pdf``, which holds no text."""
    when = programs.at("2024-11-25 08:47")
    source = Path(__file__).parent / "text" / "letter-fernhill.html"
    clean = work / "letter.pdf"
    programs.chromium(source, clean, when)
    page = pypdfium2.PdfDocument(clean)[0].render(scale=_DPI / 72, grayscale=True).to_pil()
    buffer = io.BytesIO()
    _scanned(page.convert("L")).save(buffer, "JPEG", quality=58, dpi=(_DPI, _DPI))
    image = Image.open(buffer)
    stamp = when.timetuple()
    image.save(
        samples / "letter-fernhill-scan.pdf", "PDF", resolution=_DPI, quality=58,
        title="Scan_20241125_0847", producer="", creationDate=stamp, modDate=stamp,
    )  # fmt: skip


def _scanned(page: Image.Image) -> Image.Image:
    generator = np.random.default_rng(20241125)
    tilted = page.rotate(_TILT, resample=Image.Resampling.BICUBIC, fillcolor=255)
    soft = tilted.filter(ImageFilter.GaussianBlur(0.7))
    grey = np.asarray(soft, dtype=np.float64)
    height, width = grey.shape
    # Paper is not white, lamps fade towards the edge, and toner is not black.
    shade = np.linspace(0, 14, width)[None, :] + np.linspace(6, 0, height)[:, None]
    grey = 40 + grey * (205 / 255) - shade + generator.normal(0, 6.5, grey.shape)
    for _ in range(160):
        row, column = generator.integers(0, height - 4), generator.integers(0, width - 4)
        size = generator.integers(1, 4)
        grey[row : row + size, column : column + size] -= 90
    grey[:, width - 9 : width - 5] -= 45  # the shadow of the paper's edge
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
