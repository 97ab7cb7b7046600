"""PDF through PDFium: text in reading order with a box for every character.

Pages are read in batches, so that memory and processor time are bounded per batch and not
per document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.parse import pdfium
from ingest.parse.pages import PageLines, PageWriter, numbered
from ingest.parse.parts import Part, Rest
from ingest.parse.pdf_columns import unwoven
from ingest.parse.pdf_forms import field_lines, fields
from ingest.parse.pdf_grid import with_grids
from ingest.parse.pdf_inside import attachments, bookmarks
from ingest.parse.pdf_lines import page_lines
from ingest.parse.pdf_rules import rules
from ingest.parse.pdf_tables import with_tables
from ingest.parse.scans import Scans
from rag.errors import CorruptDocument, DocumentError, EmptyDocument, OcrUnavailable

_BATCH = 32


def parse(
    path: Path, rest: Rest | None = None, enough: Callable[[], bool] = lambda: False
) -> Iterator[Part]:
    """One part per batch of pages, then one with title, headings and warnings.

    Args:
        path: The file.
        rest: Where an earlier call stopped; by default the beginning.
        enough: Asked after each batch whether to stop there and say what the rest is.

    Raises:
        EncryptedDocument: It needs a password.
        CorruptDocument: It cannot be opened or none of its pages can be read.
        EmptyDocument: No page has text, also not for text recognition.
        OcrUnavailable: No page has text, it is scanned, and nothing can be recognized.
    """
    with pdfium.opened(path) as document:
        count = pdfium.page_count(document)
        if not count:
            raise CorruptDocument("the PDF is damaged: it has no pages")
        reader = _Reader(document, count, rest)
        while not reader.is_done:
            yield reader.batch()
            if not reader.is_done and enough():
                yield Part(rest=reader.rest())
                return
        yield reader.ending()


class _Reader:
    """What has been seen of a document so far."""

    def __init__(self, document: Any, count: int, rest: Rest | None) -> None:
        seen = rest.seen if rest else {}
        self._document = document
        self._count = count
        self._next = rest.done if rest else 0
        self._writer = PageWriter(count, bookmarks(document), seen.get("pages"))
        self._damaged: list[int] = seen.get("damaged", [])
        self._silent: list[int] = seen.get("silent", [])
        self._scans = Scans(seen.get("scans"))

    def rest(self) -> Rest:
        """What is needed to go on behind the pages so far."""
        seen = {
            "pages": self._writer.state(),
            "damaged": self._damaged,
            "silent": self._silent,
            "scans": self._scans.state(),
        }
        return Rest(done=self._next, total=self._count, seen=seen)

    @property
    def is_done(self) -> bool:
        """Whether every page has been read."""
        return self._next == self._count

    def batch(self) -> Part:
        """The next pages, up to the first that is recognized: that one takes seconds."""
        pages: list[PageLines] = []
        tried = self._scans.tried
        while not self.is_done and len(pages) < _BATCH and self._scans.tried == tried:
            pages.append(self._lines(self._next))
            self._next += 1
        return self._writer.part(pages)

    def ending(self) -> Part:
        """What only the whole document shows."""
        if len(self._damaged) == self._count:
            raise CorruptDocument("the PDF is damaged: none of its pages can be read")
        if not self._writer.length:
            raise self._nothing()
        warnings = list(self._scans.warnings())
        if self._damaged:
            warnings.append(f"damaged and left out: {numbered(self._damaged)}")
        if self._silent:
            warnings.append(f"without text: {numbered(self._silent)}")
        files, left_out = attachments(self._document)
        if left_out:
            warnings.append(f"{left_out} of the files inside it cannot be read or are too large")
        ending = self._writer.ending(pdfium.title(self._document), warnings)
        return replace(ending, attachments=tuple(files))

    def _nothing(self) -> DocumentError:
        if self._scans.left_out and self._scans.unavailable is not None:
            return OcrUnavailable(f"the PDF is scanned, and {self._scans.unavailable.message}")
        return EmptyDocument("the PDF has no text: nothing can be read on its pages")

    def _lines(self, index: int) -> PageLines:
        form = fields(self._document, index)
        with pdfium.loaded(self._document, index) as page:
            width, height = pdfium.size(page) if page is not None else (0.0, 0.0)
            if not width:
                self._damaged.append(index + 1)
                return PageLines(number=index + 1, lines=(), width=0.0, height=0.0)
            glyphs = pdfium.glyphs(page)
            lines = unwoven(with_grids(page_lines(glyphs), rules(page)), width)
            own = PageLines(number=index + 1, lines=with_tables(lines), width=width, height=height)
            read = self._scans.read(page, glyphs, own)
        if form and not read.turn:
            read = replace(read, lines=[*read.lines, *field_lines(form)])
        if not read.lines and read.number not in self._scans.left_out:
            self._silent.append(read.number)
        return read
