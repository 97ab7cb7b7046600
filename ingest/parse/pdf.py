"""PDF through PDFium: text in reading order with a box for every character.

Pages are read in batches, so that memory and processor time are bounded per batch and not
per document.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parse import pdfium
from ingest.parse.pages import PageLines, PageWriter, numbered
from ingest.parse.parts import Part
from ingest.parse.pdf_columns import unwoven
from ingest.parse.pdf_lines import page_lines
from rag.errors import CorruptDocument, EmptyDocument

_BATCH = 32


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
        self._writer = PageWriter(count)
        self._damaged: list[int] = []
        self._silent: list[int] = []
        self._drawn = False

    def batch(self, first: int, end: int) -> Part:
        """The pages from index ``first`` up to ``end``."""
        return self._writer.part([self._lines(index) for index in range(first, end)])

    def ending(self) -> Part:
        """What only the whole document shows."""
        if len(self._damaged) == self._count:
            raise CorruptDocument("the PDF is damaged: none of its pages can be read")
        if not self._writer.length:
            raise EmptyDocument(
                "the PDF has no text; it looks scanned, and text recognition (OCR) is not "
                "available yet"
                if self._drawn
                else "the PDF has no text: its pages are empty"
            )
        warnings = []
        if self._damaged:
            warnings.append(f"damaged and left out: {numbered(self._damaged)}")
        if self._silent:
            warnings.append(
                f"no text (scanned or empty; OCR is not available yet): {numbered(self._silent)}"
            )
        return self._writer.ending(pdfium.title(self._document), warnings)

    def _lines(self, index: int) -> PageLines:
        with pdfium.loaded(self._document, index) as page:
            width, height = pdfium.size(page) if page is not None else (0.0, 0.0)
            if not width:
                self._damaged.append(index + 1)
                return PageLines(number=index + 1, lines=(), width=0.0, height=0.0)
            lines = unwoven(page_lines(pdfium.glyphs(page)), width)
            if not lines:
                self._silent.append(index + 1)
                self._drawn |= pdfium.has_content(page)
        return PageLines(number=index + 1, lines=lines, width=width, height=height)
