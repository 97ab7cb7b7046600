"""OpenDocument presentations: each slide is a page, with its notes at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parse.flow import Flow
from ingest.parse.odf import CONTENT, Writer, opened_odf, text, title
from ingest.parse.package import attribute, each, first, local, own
from ingest.parse.parts import Part
from ingest.parse.slides import SlideWriter
from rag.errors import EmptyDocument
from rag.types import BlockKind

_FURNITURE = frozenset(("header", "footer", "date-time", "page-number"))


def parse(path: Path) -> Iterator[Part]:
    """One part per slide, then one with title and warnings.

    Raises:
        CorruptDocument: The archive or its XML is damaged.
        EncryptedDocument: It is locked with a password.
        ParserLimit: A part expands beyond what is read.
        EmptyDocument: No slide contains text.
    """
    with opened_odf(path, "OpenDocument presentation") as package:
        root, styles = package.xml(CONTENT), package.xml("styles.xml")
        slides = list(own(first(first(root, "body"), "presentation"), "page"))
        writer = SlideWriter(len(slides))
        for number, slide in enumerate(slides, 1):
            flow = Flow()
            _write(slide, flow, Writer(flow, root, styles), level=1 if number == 1 else 2)
            yield writer.slide(flow)
        if not writer.said_anything:
            raise EmptyDocument("the OpenDocument presentation contains no text")
        yield Part(title=title(package) or writer.title, warnings=tuple(writer.warnings()))


def _write(slide: Any, flow: Flow, writer: Writer, *, level: int) -> None:
    shapes = [shape for shape in slide if _role(shape) not in _FURNITURE]
    shapes.sort(key=lambda shape: _role(shape) != "title")
    for shape in shapes:
        if _role(shape) == "title":
            with flow.block(BlockKind.HEADING, level):
                flow.write(" ".join(text(one) for one in each(shape, "p")))
        elif local(shape) not in ("", "notes"):
            writer.body([shape])
    notes = [
        words
        for frame in each(next(own(slide, "notes"), None), "frame")
        if _role(frame) == "notes"
        for one in each(frame, "p")
        if (words := " ".join(text(one).split()))
    ]
    if notes:
        flow.newline(2)
        flow.write("Speaker notes:")
        for words in notes:
            flow.newline()
            flow.write(words)


def _role(shape: Any) -> str:
    return attribute(shape, "class") or ""
