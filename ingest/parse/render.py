"""Pages as pictures, with the places that a citation rests on marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.parse.reading import place
from ingest.parse.sandbox import POOL, Limits
from rag.errors import CorruptDocument, EncryptedDocument, InvalidRequest
from rag.types import Box

WIDEST = 4000
_MOST_HIGHLIGHTS = 5000
_LIMITS = Limits(cpu_s=30, wall_s=60.0, output_bytes=128 << 20)


def render_page(
    path: Path,
    media_type: str,
    number: int,
    *,
    width_px: int,
    highlights: Sequence[Box] = (),
    folder: Path | None = None,
) -> bytes:
    """PNG of one page, drawn in a child process.

    Args:
        path: The stored original.
        media_type: Its type: a PDF or an image.
        number: Page number from 1.
        width_px: Width of the image; the height follows from the page. A page so long that
            its image would pass 24 megapixels comes out smaller.
        highlights: Boxes to draw in translucent yellow; those of other pages are ignored.
        folder: The only one that the child can read; by default the file's.

    Raises:
        NotFound: The document has no such page.
        InvalidRequest: The width is not between 1 and 4000.
        FileNotFoundError: There is no such file.
        DocumentError: The page cannot be drawn, or drawing it takes too much.
    """
    if not 1 <= width_px <= WIDEST:
        raise InvalidRequest(f"width must be from 1 to {WIDEST} pixels", param="width")
    boxes = [(box.x0, box.y0, box.x1, box.y1) for box in highlights if box.page == number]
    request = {
        "do": "render",
        **place(path, folder),
        "media_type": media_type,
        "page": number,
        "width_px": width_px,
        "highlights": boxes[:_MOST_HIGHLIGHTS],
    }
    try:
        frames = POOL.run(request, _LIMITS)
    except EncryptedDocument:
        raise EncryptedDocument(
            "pages of a locked document cannot be drawn: its password is not kept"
        ) from None
    png = frames[0][1] if frames else b""
    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        raise CorruptDocument(f"page {number} cannot be drawn")
    return png
