"""EPUB books: the chapters in reading order, each page read as HTML.

A book locked by its seller is refused; fonts alone
are often scrambled, which hides no text.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ingest.parse.encoding import storable
from ingest.parse.html import read_page
from ingest.parse.package import Package, each, first, opened
from ingest.parse.parts import Part
from rag.errors import CorruptDocument, EmptyDocument, EncryptedDocument, ParserLimit
from rag.types import Block, BlockKind

_LONGEST_TITLE = 300
_MOST_PAGES = 10_000
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_NCX = "application/x-dtbncx+xml"
_FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def parse(path: Path) -> Iterator[Part]:
    """Each page of the book as one part.

    Raises:
        CorruptDocument: The archive or its table of contents is damaged.
        EncryptedDocument: The book is locked.
        ParserLimit: A page, or the book, expands beyond what is read.
        EmptyDocument: It contains no text.
    """
    with opened(path, "book") as package:
        yield from _book(package)


def _book(container: Package) -> Iterator[Part]:
    _refuse_locked(container)
    name = _contents_name(container)
    contents = container.xml(name)
    if contents is None:
        raise CorruptDocument("the book is damaged: it has no list of its pages")
    folder = posixpath.dirname(name)
    items = {item.get("id"): item for item in each(contents, "item")}
    labels = _labels(container, folder, items)
    length = 0
    for name in _reading_order(contents, folder, items):
        page = _page(container, name, labels.get(name))
        if page is not None:
            yield _shifted(page, length)
            length += len(page.text) + (2 if length else 0)
    if not length:
        raise EmptyDocument("the book contains no text")
    title = first(contents, "title")
    yield Part(title=None if title is None else _words(title) or None)


def _contents_name(container: Package) -> str:
    for place in each(container.xml("META-INF/container.xml"), "rootfile"):
        if place.get("full-path"):
            return str(place.get("full-path"))
    raise CorruptDocument("the book is damaged: it does not say where its pages are")


def _refuse_locked(container: Package) -> None:
    for method in each(container.xml("META-INF/encryption.xml"), "EncryptionMethod"):
        if method.get("Algorithm") not in _FONT_SCRAMBLING:
            raise EncryptedDocument(
                "the book is locked by its seller (DRM), which no password opens; "
                "use a copy without such a lock"
            )


def _reading_order(contents: Any, folder: str, items: dict[str, Any]) -> Iterator[str]:
    for count, reference in enumerate(each(contents, "itemref")):
        if count >= _MOST_PAGES:
            raise ParserLimit(f"the book has more than {_MOST_PAGES:,} pages")
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type") in _PAGES:
            yield _target(folder, item.get("href"))


def _page(container: Package, name: str, label: str | None) -> Part | None:
    """A page, its name from the table of contents set before it where it has no heading."""
    data = container.read(name)
    if data is None:
        return None
    try:
        page = read_page(data)
    except EmptyDocument:
        return None
    headed = any(block.kind is BlockKind.HEADING for block in page.blocks)
    if label and not headed and not page.text.startswith(label):
        below = _moved(page.blocks, len(label) + 2)
        heading = Block(kind=BlockKind.HEADING, start=0, end=len(label), level=1)
        page = replace(page, text=f"{label}\n\n{page.text}", blocks=(heading, *below))
    return page


def _labels(container: Package, folder: str, items: dict[str, Any]) -> dict[str, str]:
    """The names that the table of contents gives to pages; the first for each."""
    labels: dict[str, str] = {}
    for item in items.values():
        is_nav = "nav" in (item.get("properties") or "").split()
        if not is_nav and item.get("media-type") != _NCX:
            continue
        name = _target(folder, item.get("href"))
        for point in each(_xml_if_sound(container, name), "a" if is_nav else "navPoint"):
            link = point if is_nav else first(point, "content")
            words = point if is_nav else first(point, "text")
            if link is None or words is None:
                continue
            target = _target(posixpath.dirname(name), link.get("href") or link.get("src"))
            if label := _words(words):
                labels.setdefault(target, label)
    return labels


def _xml_if_sound(container: Package, name: str) -> Any | None:
    """Root element of a part that can be done without."""
    try:
        return container.xml(name)
    except CorruptDocument:
        return None


def _words(node: Any) -> str:
    return storable(" ".join("".join(node.itertext()).split()))[:_LONGEST_TITLE]


def _target(folder: str, link: str | None) -> str:
    """The name within the archive that a link from a folder leads to."""
    return posixpath.normpath(posixpath.join(folder, unquote((link or "").partition("#")[0])))


def _shifted(page: Part, length: int) -> Part:
    """A page behind so much text. Titles of pages are not the book's."""
    if not length:
        return replace(page, title=None)
    blocks = _moved(page.blocks, length + 2)
    return replace(page, title=None, text=f"\n\n{page.text}", blocks=blocks)


def _moved(blocks: tuple[Block, ...], by: int) -> tuple[Block, ...]:
    return tuple(
        replace(
            block,
            start=block.start + by,
            end=block.end + by,
            cells=tuple(
                replace(cell, start=cell.start + by, end=cell.end + by) for cell in block.cells
            ),
        )
        for block in blocks
    )
