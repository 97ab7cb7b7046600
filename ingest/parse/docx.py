"""Word documents: paragraphs, headings, lists, tables and notes from the XML parts.

Headers, footers, comments and deleted text are left out. Parts are read up to a fixed size,
whatever the archive says of them, and entities are never resolved.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from ingest.parse.encoding import storable
from ingest.parse.flow import CELL, Flow
from ingest.parse.parts import Part
from rag.errors import CorruptDocument, EmptyDocument, ParserLimit
from rag.types import BlockKind

_LARGEST_PART = 96 << 20
_SKIPPED = frozenset(("del", "moveFrom", "Fallback", "instrText", "pPr", "rPr", "tblPr", "trPr"))
_PLAIN = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_DEEPEST_STYLE = 20


def parse(path: Path) -> Iterator[Part]:
    """The whole document as one part.

    Raises:
        CorruptDocument: The archive or its XML is damaged.
        ParserLimit: A part expands beyond what is read.
        EmptyDocument: It contains no text.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            package = _Package(archive)
            yield _document(package)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CorruptDocument("the Word document is damaged: its archive is broken") from error


class _Package:
    """The XML parts of a Word document."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        main = "word/document.xml"
        for link in _each(self.part("_rels/.rels"), "Relationship"):
            if link.get("Type", "").endswith("/officeDocument"):
                main = link.get("Target", main).lstrip("/")
        self.main = main
        self._folder = main.rpartition("/")[0]

    def beside(self, name: str) -> Any | None:
        """A part in the folder of the main one."""
        return self.part(f"{self._folder}/{name}" if self._folder else name)

    def part(self, name: str) -> Any | None:
        """Root element of a part, or ``None`` when there is no such part."""
        try:
            with self._archive.open(name) as file:
                data = file.read(_LARGEST_PART + 1)
        except KeyError:
            return None
        except RuntimeError as error:  # an encrypted member
            raise CorruptDocument("the Word document's archive is encrypted") from error
        if len(data) > _LARGEST_PART:
            raise ParserLimit(f"it expands to more than {_LARGEST_PART >> 20} MB of text")
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        try:
            return etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
                raise MemoryError from error
            if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
                raise ParserLimit("it is nested too deeply or has too long a text") from error
            raise CorruptDocument(f"the Word document is damaged: {name} is not XML") from error


def _document(package: _Package) -> Part:
    root = package.part(package.main)
    body = next(_each(root, "body"), None)
    if body is None:
        raise CorruptDocument("the Word document is damaged: it has no body")
    flow = Flow()
    writer = _Writer(flow, _Styles(package.beside("styles.xml")))
    writer.children(body)
    for name in ("footnotes.xml", "endnotes.xml"):
        notes = package.beside(name)
        for note in _each(notes, "footnote", "endnote"):
            if _value(note, "type") is None:  # the others are separators
                writer.children(note)
    if not flow.text.strip():
        raise EmptyDocument("the Word document contains no text")
    core = package.part("docProps/core.xml")
    title = next((node.text or "" for node in _each(core, "title")), "").strip()
    return Part(
        text=storable(flow.text),
        title=storable(" ".join(title.split())[:300]) or _first_heading(flow),
        blocks=tuple(flow.blocks),
    )


def _first_heading(flow: Flow) -> str | None:
    first = next((b for b in flow.blocks if b.kind is BlockKind.HEADING), None)
    return storable(flow.text[first.start : first.end][:300]) if first else None


class _Styles:
    """Which paragraph styles are headings or lists, inherited ones included."""

    def __init__(self, root: Any | None) -> None:
        self._styles = {_value(node, "styleId"): node for node in _each(root, "style")}

    def heading(self, properties: Any | None) -> int:
        """Level 1 to 6 of a paragraph with these properties, 0 if it is none."""
        for node in self._chain(properties):
            outline = _child_value(node, "outlineLvl")
            if outline is not None and outline.isdigit():
                return min(int(outline) + 1, 6) if int(outline) < 9 else 0
            name = (_child_value(node, "name") or "").lower()
            if name == "title":
                return 1
            if name.startswith("heading ") and name[8:].isdigit():
                return min(max(int(name[8:]), 1), 6)
        return 0

    def is_list(self, properties: Any | None) -> bool:
        """Whether a paragraph with these properties is numbered or has a bullet."""
        for node in self._chain(properties):
            numbering = next(_each(node, "numId"), None)
            if numbering is not None:
                return _value(numbering, "val") != "0"
        return False

    def _chain(self, properties: Any | None) -> Iterator[Any]:
        if properties is None:
            return
        yield properties
        name = _child_value(properties, "pStyle")
        for _ in range(_DEEPEST_STYLE):
            style = self._styles.get(name)
            if style is None:
                return
            yield style
            name = _child_value(style, "basedOn")


class _Writer:
    """Writes block elements; a list ends where a paragraph is no item."""

    def __init__(self, flow: Flow, styles: _Styles) -> None:
        self._flow = flow
        self._styles = styles

    def children(self, node: Any) -> None:
        """Everything inside a body, note, text box or content control."""
        items: list[str] = []
        for child in node:
            name = _local(child)
            if name == "p":
                items = self._paragraph(child, items)
                continue
            self._list(items)
            items = []
            if name == "tbl":
                self._table(child)
            elif name not in _SKIPPED:
                self.children(child)
        self._list(items)

    def _paragraph(self, node: Any, items: list[str]) -> list[str]:
        properties = next((child for child in node if _local(child) == "pPr"), None)
        text = _inline(node).strip()
        level = self._styles.heading(properties)
        if text and not level and self._styles.is_list(properties):
            items.append(text)
        else:
            self._list(items)
            items = []
            if text and level:
                with self._flow.block(BlockKind.HEADING, level):
                    self._flow.write(text)
            elif text:
                self._flow.newline(2)
                self._flow.verbatim(text)
                self._flow.newline(2)
        for box in _boxes(node):
            self.children(box)
        return items

    def _list(self, items: list[str]) -> None:
        if items:
            with self._flow.block(BlockKind.LIST):
                for item in items:
                    self._flow.newline()
                    self._flow.write(f"- {item}")

    def _table(self, node: Any) -> None:
        with self._flow.block(BlockKind.TABLE):
            for row in _own(node, "tr"):
                cells = [" ".join(_cell(cell).split()) for cell in _own(row, "tc")]
                if any(cells):
                    self._flow.newline()
                    self._flow.write(CELL.join(cells))


def _cell(node: Any) -> str:
    return " ".join(_inline(paragraph) for paragraph in _each(node, "p"))


def _own(node: Any, name: str) -> Iterator[Any]:
    """Children of that name, content controls looked through."""
    for child in node:
        if _local(child) == name:
            yield child
        elif _local(child) in ("sdt", "sdtContent", "ins", "customXml"):
            yield from _own(child, name)


def _inline(node: Any) -> str:
    """Text of a paragraph as it reads, without text boxes and deleted text."""
    pieces = []
    for child in node:
        name = _local(child)
        if name == "t":
            pieces.append(child.text or "")
        elif name in _PLAIN:
            pieces.append(_PLAIN[name])
        elif name == "sym":
            pieces.append(_symbol(child))
        elif name not in _SKIPPED and name != "txbxContent":
            pieces.append(_inline(child))
    return "".join(pieces)


def _symbol(node: Any) -> str:
    try:
        return chr(int(_value(node, "char") or "", 16))
    except (ValueError, OverflowError):
        return ""


def _boxes(node: Any) -> Iterator[Any]:
    """Text boxes anchored in a paragraph, each once: its fallback says the same again."""
    for child in node:
        name = _local(child)
        if name == "txbxContent":
            yield child
        elif name not in _SKIPPED:
            yield from _boxes(child)


def _local(node: Any) -> str:
    tag = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else "del"  # comments say nothing


def _each(root: Any | None, *names: str) -> Iterator[Any]:
    if root is not None:
        yield from root.iter(*(f"{{*}}{name}" for name in names))


def _value(node: Any, name: str) -> str | None:
    """An attribute, whichever of the two WordprocessingML namespaces it is in."""
    for key, value in node.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None


def _child_value(node: Any, name: str) -> str | None:
    child = next(_each(node, name), None)
    return _value(child, "val") if child is not None else None
