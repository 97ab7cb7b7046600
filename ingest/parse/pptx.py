"""PowerPoint presentations: each slide is a page, with its notes and comments at the end.

A slide begins with its title, whatever the order of its shapes; footers, dates and slide
numbers are left out. Slides are drawn nowhere, so their pages have a size but no boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.parse.encoding import storable
from ingest.parse.flow import Flow
from ingest.parse.listing import numbered
from ingest.parse.package import Package, each, first, opened, own
from ingest.parse.parts import Part
from ingest.parse.pptx_shapes import Shapes, paragraphs, placeholder
from rag.errors import CorruptDocument, EmptyDocument
from rag.types import Page

_BETWEEN_SLIDES = "\n\n"
_EMU_PER_POINT = 12_700
_USUAL_SIZE = (720.0, 540.0)
_NO_TITLES = frozenset(("powerpoint presentation", "presentation", "slide 1"))


def parse(path: Path) -> Iterator[Part]:
    """One part per slide, then one with title and warnings.

    Raises:
        CorruptDocument: The archive or its XML is damaged.
        EncryptedDocument: The archive is locked with a password.
        ParserLimit: A part expands beyond what is read.
        EmptyDocument: No slide contains text.
    """
    with opened(path, "presentation") as package:
        yield from _Reader(package).parts()


class _Reader:
    """What has been seen of a presentation so far."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._main = package.main("ppt/presentation.xml")
        self._offset = 0
        self._title: str | None = None
        self._silent: list[int] = []
        self._hidden: list[int] = []
        self._missing: list[int] = []
        self._authors = dict(_authors(package, self._main))

    def parts(self) -> Iterator[Part]:
        """The slides in order, then what only all of them show."""
        root = self._package.xml(self._main)
        if root is None:
            raise CorruptDocument("the presentation is damaged: it has no list of slides")
        size = _size(root)
        links = self._package.links(self._main)
        names = [
            links[id_].target if (id_ := _relation(node)) in links else ""
            for node in each(first(root, "sldIdLst"), "sldId")
        ]
        for number, name in enumerate(names, 1):
            last = number == len(names)
            yield self._slide(number, name, size, "" if last else _BETWEEN_SLIDES)
        if not self._offset:
            raise EmptyDocument("the presentation contains no text")
        yield Part(title=self._name(), warnings=tuple(self._warnings()))

    def _slide(self, number: int, name: str, size: tuple[float, float], between: str) -> Part:
        root = self._package.xml(name) if name else None
        flow = Flow()
        if root is None:
            self._missing.append(number)
        else:
            if root.get("show") in ("0", "false"):
                self._hidden.append(number)
            self._write(root, name, flow)
        text = storable(flow.text)
        if not text and root is not None:
            self._silent.append(number)
        self._title = self._title or flow.first_heading()
        text += between if text else ""
        start, self._offset = self._offset, self._offset + len(text)
        page = Page(number=number, start=start, end=self._offset, width=size[0], height=size[1])
        return Part(text=text, pages=(page,), blocks=tuple(_shifted(flow, start)))

    def _write(self, root: Any, name: str, flow: Flow) -> None:
        shapes = Shapes(self._package, name)
        shapes.write(first(root, "spTree"), flow)
        for notes in self._package.linked(name, "notesSlide"):
            self._notes(notes, flow)
        for comments in self._package.linked(name, "comments"):
            for comment in each(self._package.xml(comments), "cm", "reply"):
                self._comment(comment, flow)

    def _notes(self, name: str, flow: Flow) -> None:
        lines = [
            line
            for shape in each(self._package.xml(name), "sp")
            if placeholder(shape)[0] == "body"
            for line in paragraphs(first(shape, "txBody"))
            if line
        ]
        if lines:
            flow.newline(2)
            flow.write("Speaker notes:")
            for line in lines:
                flow.newline()
                flow.write(line)
            flow.newline(2)

    def _comment(self, node: Any, flow: Flow) -> None:
        plain = next(own(node, "text"), None)
        body = next(own(node, "txBody"), None)
        text = plain.text or "" if plain is not None else " ".join(paragraphs(body))
        author = self._authors.get(node.get("authorId", ""), "")
        if text.strip():
            flow.newline(2)
            flow.write(f"Comment by {author}: {text}" if author else f"Comment: {text}")
            flow.newline(2)

    def _name(self) -> str | None:
        title = self._package.title()
        if title and title.lower() not in _NO_TITLES:
            return title
        return self._title

    def _warnings(self) -> Iterator[str]:
        if self._hidden:
            yield f"hidden in the presentation, but read: {numbered(self._hidden, 'slide')}"
        if self._silent:
            yield f"no text (empty, or pictures only): {numbered(self._silent, 'slide')}"
        if self._missing:
            yield f"damaged and left out: {numbered(self._missing, 'slide')}"


def _size(root: Any) -> tuple[float, float]:
    for node in each(root, "sldSz"):
        width, height = node.get("cx", ""), node.get("cy", "")
        if width.isdigit() and height.isdigit() and int(width) and int(height):
            return int(width) / _EMU_PER_POINT, int(height) / _EMU_PER_POINT
    return _USUAL_SIZE


def _relation(node: Any) -> str:
    # The element has an "id" of its own beside the one of the relationship.
    return next((str(v) for k, v in node.attrib.items() if k.endswith("}id")), "")


def _authors(package: Package, main: str) -> Iterator[tuple[str, str]]:
    links = package.links(main).values()
    for name in (link.target for link in links if link.type in ("commentAuthors", "authors")):
        for node in each(package.xml(name), "cmAuthor", "author"):
            yield node.get("id", ""), node.get("name", "")


def _shifted(flow: Flow, by: int) -> Iterator[Any]:
    for block in flow.blocks:
        cells = tuple(replace(c, start=c.start + by, end=c.end + by) for c in block.cells)
        yield replace(block, start=block.start + by, end=block.end + by, cells=cells)
