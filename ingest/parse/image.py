"""Images through Pillow and text recognition: each frame of a TIFF is a page, others have one.

Of an animation the first frame is read. How an image is to be turned, which cameras and
scanners note in it, is applied before anything else, so that pages are as viewers show them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ingest.parse.drawing import fitting
from ingest.parse.pages import PageLines, PageWriter, numbered
from ingest.parse.parts import Part, Rest
from ingest.parse.scans import DPI, Scans
from rag.errors import CorruptDocument, EmptyDocument, NotFound, ParserLimit

MEDIA_TYPES = ("image/png", "image/jpeg", "image/tiff", "image/webp", "image/bmp", "image/gif")

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
_MOST_PIXELS = 100_000_000
_MOST_FRAMES = 5000
_SAME_DPI = (200, 400)
_SANE_DPI = (100, 2400)
_LONG_SIDE = 842.0
"""Points; of a page whose size is not known, as of A4."""
_LARGEST = 3.0
_REDUCED = 1
_SUBFILE_TYPE = 254
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")


def parse(
    path: Path, rest: Rest | None = None, enough: Callable[[], bool] = lambda: False
) -> Iterator[Part]:
    """One part per page, then one with title, headings and warnings.

    Args:
        path: The file.
        rest: Where an earlier call stopped; by default the beginning.
        enough: Asked after each page whether to stop there and say what the rest is.

    Raises:
        CorruptDocument: It cannot be opened, or none of its frames can be read.
        EmptyDocument: Nothing was recognized.
        OcrUnavailable: Nothing can be recognized.
        ParserLimit: It is too large.
    """
    with _opened(path) as image:
        frames = _frames(image)
        count, done = len(frames), rest.done if rest else 0
        seen = rest.seen if rest else {}
        writer = PageWriter(count, state=seen.get("pages"))
        scans = Scans(seen.get("scans"))
        damaged: list[int] = seen.get("damaged", [])
        silent: list[int] = seen.get("silent", [])
        for number, frame in enumerate(frames[done:], start=done + 1):
            page = _read(image, frame, number, scans)
            if not page.width:
                damaged.append(number)
            elif not page.lines:
                silent.append(number)
            yield writer.part([page])
            if number < count and enough():
                states = {"pages": writer.state(), "scans": scans.state()}
                seen = {**states, "damaged": damaged, "silent": silent}
                yield Part(rest=Rest(done=number, total=count, seen=seen))
                return
    if len(damaged) == len(frames):
        raise CorruptDocument("the image is damaged: it cannot be read")
    if not writer.length:
        raise EmptyDocument("text recognition (OCR) found no text in the image")
    warnings = list(scans.warnings())
    if damaged:
        warnings.append(f"damaged and left out: {numbered(damaged)}")
    if silent:
        warnings.append(f"without text: {numbered(silent)}")
    yield writer.ending(warnings=warnings)


def picture(path: Path, number: int, width_px: int) -> NDArray[np.uint8]:
    """Page ``number`` (from 1) in colour, shape (height, width, 3).

    Raises:
        NotFound: The image has no such page.
        CorruptDocument: It cannot be read.
        ParserLimit: It is too large.
    """
    with _opened(path) as image:
        frames = _frames(image)
        if not 1 <= number <= len(frames):
            raise NotFound(
                f"there is no page {number}; the document has {len(frames)}", param="page"
            )
        upright = _upright(image, frames[number - 1], "RGB")
    size = fitting(width_px, width_px * upright.height / upright.width)
    return np.array(upright.resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def _read(image: Image.Image, frame: int, number: int, scans: Scans) -> PageLines:
    try:
        upright = _upright(image, frame, "L")
    except CorruptDocument:
        return PageLines(number=number, lines=(), width=0.0, height=0.0)
    dpi = _dpi(image) or max(upright.size) * 72 / _LONG_SIDE
    page = PageLines(
        number=number, lines=(), width=upright.width * 72 / dpi, height=upright.height * 72 / dpi
    )
    scale = 1.0 if _SAME_DPI[0] <= dpi <= _SAME_DPI[1] else min(DPI / dpi, _LARGEST)
    size = fitting(upright.width * scale, upright.height * scale)
    if size != upright.size:
        upright = upright.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return scans.recognize(np.asarray(upright), page)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    Image.MAX_IMAGE_PIXELS = None  # `_upright` knows what fits
    try:
        image = Image.open(path, formats=_FORMATS)
    except (OSError, ValueError, SyntaxError) as error:
        raise CorruptDocument("the image is damaged: it cannot be opened") from error
    with image:
        yield image


def _frames(image: Image.Image) -> list[int]:
    """Frames that are pages; previews of them, which scanners add, are not."""
    if image.format != "TIFF":
        return [0]
    count = getattr(image, "n_frames", 1)
    if count > _MOST_FRAMES:
        raise ParserLimit(f"the image has {count} pages, more than {_MOST_FRAMES:,}; split it")
    return [frame for frame in range(count) if not _is_preview(image, frame)] or [0]


def _is_preview(image: Image.Image, frame: int) -> bool:
    try:
        image.seek(frame)
    except (OSError, EOFError, ValueError, SyntaxError):
        return False
    kind = getattr(image, "tag_v2", {}).get(_SUBFILE_TYPE, 0)
    return isinstance(kind, int) and bool(kind & _REDUCED)


def _upright(image: Image.Image, frame: int, mode: str) -> Image.Image:
    """A frame as viewers show it, in mode ``L`` or ``RGB``, on white where it is transparent."""
    try:
        image.seek(frame)
        if image.width * image.height > _MOST_PIXELS:
            raise ParserLimit(
                f"the image has {image.width} x {image.height} pixels, more than "
                f"{_MOST_PIXELS // 1_000_000} million; make it smaller"
            )
        return ImageOps.exif_transpose(_opaque(image, mode))
    except (OSError, EOFError, ValueError, SyntaxError, TypeError) as error:
        raise CorruptDocument("the image is damaged: it cannot be read") from error


def _opaque(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in _SIXTEEN_BITS or image.mode in ("I", "F"):
        return _eight_bits(image).convert(mode)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        flat = Image.alpha_composite(white, seen).convert(mode)
        flat.info = image.info
        return flat
    return image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if image.mode in _SIXTEEN_BITS:
        return Image.fromarray((values >> 8).astype(np.uint8))
    low, high = float(values.min()), float(values.max())
    scale = 255.0 / (high - low) if high > low else 0.0
    return Image.fromarray(((values - low) * scale).astype(np.uint8))


def _dpi(image: Image.Image) -> float | None:
    """Resolution that the image claims, if it makes sense; screens and cameras make it up."""
    try:
        claimed = float(image.info["dpi"][0])
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        return None
    return claimed if _SANE_DPI[0] <= claimed <= _SANE_DPI[1] else None
