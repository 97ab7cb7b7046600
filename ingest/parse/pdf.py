"""PDF through PDFium: text in reading order with a box for every character.

Pages are read in batches, so that memory and processor time are bounded per batch and not
per document.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ingest.parse import pdfium
from ingest.parse.encoding import storable
from ingest.parse.headings import SetLine, Typography
from ingest.parse.parts import Part
from ingest.parse.pdf_columns import unwoven
from ingest.parse.pdf_lines import Line, Quads, page_lines
from ingest.parse.pdf_text import PageText, compose, vocabulary
from rag.errors import CorruptDocument, EmptyDocument
from rag.types import Page

_BATCH = 32
_BETWEEN_PAGES = "\n\n"
_UNIT = 65535


def parse(path: Path) -> Iterator[Part]:
    """One part per batch of pages, then one with title, headings and warnings.

    Raises:
        EncryptedDocument: It needs a password.
        CorruptDocument: It cannot be opened or none of its pages can be read.
        EmptyDocument: No page has text; it is probably scanned.
    """
    with pdfium.opened(path) as document:
        count = pdfium.page_count(document)
        if not count:
            raise CorruptDocument("the PDF is damaged: it has no pages")
        reader = _Reader(document, count)
        for first in range(0, count, _BATCH):
            yield reader.batch(first, min(first + _BATCH, count))
        yield reader.ending()


class _Reader:
    """What has been seen of a document so far."""

    def __init__(self, document: Any, count: int) -> None:
        self._document = document
        self._count = count
        self._offset = 0
        self._typography = Typography()
        self._damaged: list[int] = []
        self._silent: list[int] = []
        self._drawn = False

    def batch(self, first: int, end: int) -> Part:
        """The pages from index ``first`` up to ``end``."""
        read = [self._lines(index) for index in range(first, end)]
        words = vocabulary([lines for lines, _, _ in read])
        texts, pages = [], []
        for index, (lines, width, height) in enumerate(read, start=first):
            composed = compose(lines, words)
            self._note(composed, index + 1)
            last = index + 1 == self._count
            between = "" if last or not composed.text else _BETWEEN_PAGES
            text = storable(composed.text) + between
            pages.append(
                Page(
                    number=index + 1,
                    start=self._offset,
                    end=self._offset + len(text),
                    width=width,
                    height=height,
                    boxes=_packed(composed.boxes, width, height) + bytes(8 * len(between)),
                )
            )
            texts.append(text)
            self._offset += len(text)
        return Part(text="".join(texts), pages=tuple(pages))

    def ending(self) -> Part:
        """What only the whole document shows."""
        if len(self._damaged) == self._count:
            raise CorruptDocument("the PDF is damaged: none of its pages can be read")
        if not self._offset:
            raise EmptyDocument(
                "the PDF has no text; it looks scanned, and text recognition (OCR) is not "
                "available yet"
                if self._drawn
                else "the PDF has no text: its pages are empty"
            )
        warnings = []
        if self._damaged:
            warnings.append(f"damaged and left out: {_pages(self._damaged)}")
        if self._silent:
            warnings.append(
                f"no text (scanned or empty; OCR is not available yet): {_pages(self._silent)}"
            )
        title = self._typography.title(pdfium.title(self._document))
        return Part(
            title=storable(title) if title else None,
            blocks=tuple(self._typography.headings()),
            warnings=tuple(warnings),
        )

    def _lines(self, index: int) -> tuple[list[Line], float, float]:
        with pdfium.loaded(self._document, index) as page:
            width, height = pdfium.size(page) if page is not None else (0.0, 0.0)
            if not width:
                self._damaged.append(index + 1)
                return [], 0.0, 0.0
            lines = unwoven(page_lines(pdfium.glyphs(page)), width)
            if not lines:
                self._silent.append(index + 1)
                self._drawn |= pdfium.has_content(page)
        return lines, width, height

    def _note(self, page: PageText, number: int) -> None:
        opens = True
        for start, end, line in page.lines:
            self._typography.add(
                SetLine(
                    start=self._offset + start,
                    end=self._offset + end,
                    page=number,
                    size=line.size,
                    bold=line.bold,
                    opens=opens,
                    text=page.text[start:end],
                )
            )
            opens = page.text.startswith("\n\n", end)


def _packed(boxes: Quads, width: float, height: float) -> bytes:
    if not width or not len(boxes):
        return b""
    fractions = np.clip(boxes / (width, height, width, height), 0.0, 1.0)
    return bytes(np.rint(fractions * _UNIT).astype("<u2").tobytes())


def _pages(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f"page{'s' if len(numbers) > 1 else ''} {shown}{more}"
