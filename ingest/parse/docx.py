"""Word documents: paragraphs, headings, lists, tables and notes from the XML parts.

Headers, footers, comments and deleted text are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.parse.chart import write_chart
from ingest.parse.encoding import storable
from ingest.parse.flow import Flow
from ingest.parse.numbering import BULLET, Numbering
from ingest.parse.package import Package, attribute, each, first, local, opened, own
from ingest.parse.parts import Part
from rag.errors import CorruptDocument, EmptyDocument
from rag.types import BlockKind

_SKIPPED = frozenset(
    ("", "del", "moveFrom", "Fallback", "instrText", "pPr", "rPr", "tblPr", "trPr")
)
_PLAIN = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_DEEPEST_STYLE = 20
_WIDEST = 64


def parse(path: Path) -> Iterator[Part]:
    """The whole document as one part.

    Raises:
        CorruptDocument: The archive or its XML is damaged.
        ParserLimit: A part expands beyond what is read.
        EmptyDocument: It contains no text.
    """
    with opened(path, "Word document") as package:
        yield _document(package)


def _document(package: Package) -> Part:
    main = package.main("word/document.xml")
    body = first(package.xml(main), "body")
    if body is None:
        raise CorruptDocument("the Word document is damaged: it has no body")
    flow = Flow()
    folder = main.rpartition("/")[0]
    numbering = Numbering(package.xml(f"{folder}/numbering.xml"))
    links = package.links(main).items()
    charts = {id_: package.xml(link.target) for id_, link in links if link.type == "chart"}
    writer = _Writer(flow, _Styles(package.xml(f"{folder}/styles.xml")), numbering, charts)
    writer.children(body)
    for name in ("footnotes.xml", "endnotes.xml"):
        notes = package.xml(f"{folder}/{name}")
        for note in each(notes, "footnote", "endnote"):
            if attribute(note, "type") is None:  # the others are separators
                writer.children(note)
    if not flow.text.strip():
        raise EmptyDocument("the Word document contains no text")
    return Part(
        text=storable(flow.text),
        title=package.title() or flow.first_heading(),
        blocks=tuple(flow.blocks),
    )


class _Styles:
    """Which paragraph styles are headings or lists, inherited ones included."""

    def __init__(self, root: Any | None) -> None:
        self._styles = {attribute(node, "styleId"): node for node in each(root, "style")}

    def heading(self, properties: Any | None) -> int:
        """Level 1 to 6 of a paragraph with these properties, 0 if it is none."""
        for node in self._chain(properties):
            outline = _child_value(node, "outlineLvl")
            if outline is not None and outline.isdecimal():
                return min(int(outline) + 1, 6) if int(outline) < 9 else 0
            name = (_child_value(node, "name") or "").lower()
            if name == "title":
                return 1
            if name.startswith("heading ") and name[8:].isdecimal():
                return min(max(int(name[8:]), 1), 6)
        return 0

    def listed(self, properties: Any | None) -> tuple[str, int | None, str | None] | None:
        """List instance, level and the style that names the list, of a paragraph in one.

        The level is ``None`` where the list itself knows it by that style.
        """
        level: int | None = None
        for node in self._chain(properties):
            numbering = first(node, "numPr")
            given = _child_value(numbering, "ilvl")
            if level is None and given is not None and given.isdecimal():
                level = int(given)
            instance = _child_value(numbering, "numId")
            if instance is not None:
                return None if instance == "0" else (instance, level, attribute(node, "styleId"))
        return None

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

    def __init__(
        self, flow: Flow, styles: _Styles, numbering: Numbering, charts: Mapping[str, Any]
    ) -> None:
        self._flow = flow
        self._charts = charts
        self._styles = styles
        self._numbering = numbering

    def children(self, node: Any) -> None:
        """Everything inside a body, note, text box or content control."""
        items: list[str] = []
        for child in node:
            name = local(child)
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
        properties = next((child for child in node if local(child) == "pPr"), None)
        text = _inline(node).strip()
        level = self._styles.heading(properties)
        label = self._label(properties)  # an empty paragraph counts, too
        if text and label and not (level and label == BULLET):
            text = f"{label} {text}"
        if label and not level:
            items += [text] if text else []
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
        for chart in each(node, "chart"):
            write_chart(self._charts.get(attribute(chart, "id") or ""), self._flow)
        return items

    def _cell_text(self, paragraph: Any) -> str:
        label = self._label(next(own(paragraph, "pPr"), None))
        text = _inline(paragraph)
        return f"{label} {text}" if label and (text.strip() or label != BULLET) else text

    def _label(self, properties: Any | None) -> str | None:
        listed = self._styles.listed(properties)
        if listed is None:
            return None
        instance, level, style = listed
        if level is None:
            level = self._numbering.level_of(instance, style)
        return self._numbering.next(instance, level)

    def _list(self, items: list[str]) -> None:
        if items:
            with self._flow.block(BlockKind.LIST):
                for item in items:
                    self._flow.newline()
                    self._flow.write(item)

    def _table(self, node: Any) -> None:
        self._flow.table(list(self._cells(row)) for row in _own(node, "tr"))

    def _cells(self, row: Any) -> Iterator[str | None]:
        for cell in _own(row, "tc"):
            yield " ".join(map(self._cell_text, each(cell, "p")))
            wide = _child_value(next(own(cell, "tcPr"), None), "gridSpan") or "1"
            if wide.isdecimal():
                yield from [None] * (min(int(wide), _WIDEST) - 1)


def _own(node: Any, name: str) -> Iterator[Any]:
    """Children of that name, content controls looked through."""
    for child in node:
        if local(child) == name:
            yield child
        elif local(child) in ("sdt", "sdtContent", "ins", "customXml"):
            yield from _own(child, name)


def _inline(node: Any) -> str:
    """Text of a paragraph as it reads, without text boxes and deleted text."""
    pieces = []
    for child in node:
        name = local(child)
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
        return chr(int(attribute(node, "char") or "", 16))
    except (ValueError, OverflowError):
        return ""


def _boxes(node: Any) -> Iterator[Any]:
    """Text boxes anchored in a paragraph, each once: its fallback says the same again."""
    for child in node:
        name = local(child)
        if name == "txbxContent":
            yield child
        elif name not in _SKIPPED:
            yield from _boxes(child)


def _child_value(node: Any, name: str) -> str | None:
    child = first(node, name)
    return attribute(child, "val") if child is not None else None
