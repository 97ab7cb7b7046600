"""PowerPoint presentations: each slide is a page, with its notes and comments at the end.

A slide begins with its title, whatever the order of its shapes; footers, dates and slide
numbers are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parse.flow import Flow
from ingest.parse.package import Package, each, first, opened, own
from ingest.parse.parts import Part
from ingest.parse.pptx_shapes import Shapes, paragraphs, placeholder
from ingest.parse.slides import SlideWriter
from rag.errors import CorruptDocument, EmptyDocument

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
    """Reads the slides of a presentation."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._main = package.main("ppt/presentation.xml")
        self._authors = dict(_authors(package, self._main))

    def parts(self) -> Iterator[Part]:
        """The slides in order, then what only all of them show."""
        root = self._package.xml(self._main)
        if root is None:
            raise CorruptDocument("the presentation is damaged: it has no list of slides")
        size, links = _size(root), self._package.links(self._main)
        ids = [_relation(node) for node in each(first(root, "sldIdLst"), "sldId")]
        writer = SlideWriter(len(ids))
        for id_ in ids:
            yield self._slide(links[id_].target if id_ in links else "", size, writer)
        if not writer.said_anything:
            raise EmptyDocument("the presentation contains no text")
        title = self._package.title()
        if not title or title.lower() in _NO_TITLES:
            title = writer.title
        yield Part(title=title, warnings=tuple(writer.warnings()))

    def _slide(self, name: str, size: tuple[float, float], writer: SlideWriter) -> Part:
        root = self._package.xml(name) if name else None
        if root is None:
            return writer.slide(None, size=size)
        flow = Flow()
        self._write(root, name, flow)
        return writer.slide(flow, size=size, hidden=root.get("show") in ("0", "false"))

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


def _size(root: Any) -> tuple[float, float]:
    for node in each(root, "sldSz"):
        width, height = node.get("cx", ""), node.get("cy", "")
        if width.isdecimal() and height.isdecimal() and int(width) and int(height):
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
