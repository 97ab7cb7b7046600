"""Slides of a presentation to text, whatever file they come from: each slide is a page.

Slides are drawn nowhere, so their pages may have a size but have no boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ingest.parse.encoding import storable
from ingest.parse.flow import Flow
from ingest.parse.listing import numbered
from ingest.parse.parts import Part
from rag.types import Block, Page

_BETWEEN_SLIDES = "\n\n"


class SlideWriter:
    """Writes the slides of one presentation of ``count`` slides, in order."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._number = 0
        self._length = 0
        self._silent: list[int] = []
        self._hidden: list[int] = []
        self._damaged: list[int] = []
        self.title: str | None = None
        """The first heading on any slide."""

    @property
    def said_anything(self) -> bool:
        """Whether any slide had text."""
        return self._length > 0

    def slide(
        self, flow: Flow | None, *, size: tuple[float, float] = (0.0, 0.0), hidden: bool = False
    ) -> Part:
        """The next slide, ``None`` where it cannot be read; ``size`` in points."""
        self._number += 1
        written = storable(flow.text) if flow is not None else ""
        if flow is None:
            self._damaged.append(self._number)
        elif not written:
            self._silent.append(self._number)
        if hidden:
            self._hidden.append(self._number)
        if flow is not None:
            self.title = self.title or flow.first_heading()
        if written and self._number < self._count:
            written += _BETWEEN_SLIDES
        start, self._length = self._length, self._length + len(written)
        page = Page(
            number=self._number, start=start, end=self._length, width=size[0], height=size[1]
        )
        return Part(text=written, pages=(page,), blocks=tuple(_shifted(flow, start)))

    def warnings(self) -> Iterator[str]:
        """What a reader of the text should know."""
        if self._hidden:
            yield f"hidden in the presentation, but read: {numbered(self._hidden, 'slide')}"
        if self._silent:
            yield f"no text (empty, or pictures only): {numbered(self._silent, 'slide')}"
        if self._damaged:
            yield f"damaged and left out: {numbered(self._damaged, 'slide')}"


def _shifted(flow: Flow | None, by: int) -> Iterator[Block]:
    for block in flow.blocks if flow is not None else ():
        cells = tuple(replace(c, start=c.start + by, end=c.end + by) for c in block.cells)
        yield replace(block, start=block.start + by, end=block.end + by, cells=cells)
