"""Lines of pages to the text of a document, its pages and its headings.

What has pages passes through here, whether its lines were written or recognized.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from ingest.parse.encoding import storable
from ingest.parse.headings import Bookmark, SetLine, Typography
from ingest.parse.listing import numbered
from ingest.parse.parts import Part
from ingest.parse.pdf_lines import Line, Quads
from ingest.parse.pdf_running import goes_on, marked, out_of_the_way
from ingest.parse.pdf_text import PageText, apart, compose, leading, vocabulary
from rag.types import Block, BlockKind, Page, PageSource, TableCell

__all__ = ["PageLines", "PageWriter", "displayed", "numbered"]

_BETWEEN_PAGES = "\n\n"
_UNIT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLines:
    """A page's lines in reading order; ``width`` and ``height`` in points, as displayed.

    ``turn`` is how far, clockwise, the displayed page has to be turned for its lines to
    stand upright: 0, 90, 180 or 270 degrees. The lines' boxes are those of the turned page.
    """

    number: int
    lines: Sequence[Line]
    width: float
    height: float
    source: PageSource = PageSource.TEXT
    turn: int = 0


class PageWriter:
    """Writes the pages of one document of ``count`` pages, in order."""

    def __init__(
        self,
        count: int,
        outline: Iterable[Bookmark] = (),
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._count = count
        self._typography = Typography(outline, state["typography"] if state else None)
        self._recognized: bool = state["recognized"] if state else False
        self.length: int = state["length"] if state else 0
        """Code points so far."""

    def state(self) -> dict[str, Any]:
        """What the pages so far leave for those to come; it may travel as JSON."""
        return {
            "length": self.length,
            "recognized": self._recognized,
            "typography": self._typography.state(),
        }

    def part(self, pages: Sequence[PageLines]) -> Part:
        """The next pages as a part; divided words are judged by the words of all of them."""
        words = vocabulary([page.lines for page in pages])
        texts, written = [], []
        tables: list[Block] = []
        for page, (lines, between) in zip(pages, _joined(pages), strict=True):
            composed = compose(lines, words)
            self._recognized |= page.source is PageSource.OCR and not self.length
            tables += _tables(composed, self.length)
            self._note(composed, page.number)
            if page.number == self._count or not composed.text:
                between = ""
            text = storable(composed.text) + between
            boxes = displayed(composed.boxes, page.width, page.height, page.turn)
            written.append(
                Page(
                    number=page.number,
                    start=self.length,
                    end=self.length + len(text),
                    width=page.width,
                    height=page.height,
                    source=page.source,
                    boxes=_packed(boxes, page.width, page.height) + bytes(8 * len(between)),
                )
            )
            texts.append(text)
            self.length += len(text)
        return Part(text="".join(texts), pages=tuple(written), blocks=tuple(tables))

    def ending(self, metadata_title: str = "", warnings: Iterable[str] = ()) -> Part:
        """What only the whole document shows: title and headings."""
        title = self._typography.title(metadata_title, sizes_known=not self._recognized)
        return Part(
            title=storable(title) if title else None,
            blocks=tuple(self._typography.headings()),
            warnings=tuple(warnings),
        )

    def _note(self, page: PageText, number: int) -> None:
        opens, plain = True, []
        for start, end, line in page.lines:
            ordinary = not (line.table or line.running)
            set_line = SetLine(
                start=self.length + start,
                end=self.length + end,
                page=number,
                size=line.size,
                bold=line.bold,
                opens=opens and ordinary,
                text=page.text[start:end],
            )
            self._typography.add(set_line)
            if ordinary:
                plain.append(set_line)
            opens = page.text.startswith("\n\n", end)
        self._typography.name(number, plain)


def _joined(pages: Sequence[PageLines]) -> Iterator[tuple[list[Line], str]]:
    """Lines of each page in reading order, and what stands between it and the next."""
    heights = [page.width if page.turn % 180 else page.height for page in pages]
    marked_ = marked([(page.lines, high) for page, high in zip(pages, heights, strict=True)])
    bodies = [[line for line in lines if not line.running] for lines in marked_]
    on = [bool(body and after) and goes_on(body[-1], after[0]) for body, after in pairwise(bodies)]
    for lines, before, after in zip(marked_, [False, *on], [*on, False], strict=True):
        usual = leading(lines)
        breaks = [at for at, pair in enumerate(pairwise(lines), start=1) if apart(*pair, usual)]
        arranged = out_of_the_way(lines, breaks, before=before, after=after)
        yield arranged, "\n" if after else _BETWEEN_PAGES


def _tables(page: PageText, offset: int) -> Iterator[Block]:
    """A block for each table, with its cells row by row."""
    for number, rows in groupby(page.lines, key=lambda place: place[2].table):
        if not number:
            continue
        places = list(rows)
        yield Block(
            kind=BlockKind.TABLE,
            start=offset + places[0][0],
            end=offset + places[-1][1],
            cells=tuple(
                TableCell(
                    row=row,
                    column=column,
                    start=offset + start + first,
                    end=offset + start + last,
                )
                for row, (start, _, line) in enumerate(places)
                for column, first, last in line.cells
            ),
        )


def displayed(boxes: Quads, width: float, height: float, turn: int) -> Quads:
    """Boxes of the page turned clockwise by ``turn`` degrees, on the page as displayed.

    Rows of zeros, which mean no place, stay zeros.
    """
    if not turn or not len(boxes):
        return boxes
    x0, y0, x1, y1 = boxes.T
    back = {
        90: (y0, height - x1, y1, height - x0),
        180: (width - x1, height - y1, width - x0, height - y0),
        270: (width - y1, x0, width - y0, x1),
    }[turn]
    moved: Quads = np.stack(back, axis=1)
    moved[~boxes.any(axis=1)] = 0.0
    return moved


def _packed(boxes: Quads, width: float, height: float) -> bytes:
    if not width or not len(boxes):
        return b""
    fractions = np.clip(boxes / (width, height, width, height), 0.0, 1.0)
    return bytes(np.rint(fractions * _UNIT).astype("<u2").tobytes())
