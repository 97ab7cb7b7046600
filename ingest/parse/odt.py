"""OpenDocument texts: paragraphs, headings, lists, tables, text boxes, and notes at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ingest.parse.encoding import storable
from ingest.parse.flow import Flow
from ingest.parse.odf import CONTENT, Writer, opened_odf, title
from ingest.parse.package import each, first
from ingest.parse.parts import Part
from rag.errors import CorruptDocument, EmptyDocument


def parse(path: Path) -> Iterator[Part]:
    """The whole document as one part.

    Raises:
        CorruptDocument: The archive or its XML is damaged.
        EncryptedDocument: It is locked with a password.
        ParserLimit: A part expands beyond what is read.
        EmptyDocument: It contains no text.
    """
    with opened_odf(path, "OpenDocument text") as package:
        root = package.xml(CONTENT)
        body = next(each(first(root, "body"), "text"), None)
        if body is None:
            raise CorruptDocument("the OpenDocument text is damaged: it has no body")
        flow = Flow()
        writer = Writer(flow, root, package.xml("styles.xml"))
        writer.body(body)
        writer.notes()
        if not flow.text.strip():
            raise EmptyDocument("the OpenDocument text contains no text")
        yield Part(
            text=storable(flow.text),
            title=title(package) or flow.first_heading(),
            blocks=tuple(flow.blocks),
        )
