"""HTML: what a reader sees, without scripts, navigation and hidden elements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lxml import etree

from ingest.parse.encoding import decode, storable
from ingest.parse.flow import CELL, Flow
from ingest.parse.grid import Grid
from ingest.parse.html_content import furniture, is_hidden
from ingest.parse.parts import Part
from rag.errors import EmptyDocument, ParserLimit
from rag.types import BlockKind

# fmt: off
_DROPPED = frozenset((
    "head", "script", "style", "template", "noscript", "nav", "iframe", "object", "embed",
    "svg", "math", "canvas", "audio", "video", "select", "option", "datalist", "button",
    "input", "textarea",
))
_PARAGRAPHS = frozenset((
    "address", "article", "aside", "blockquote", "body", "details", "dialog", "dl", "dt",
    "dd", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr",
    "main", "p", "section", "summary", "ul", "ol", "table", "caption",
))
# fmt: on
_LINES = frozenset(("div", "li", "tr", "br", "center", "legend"))
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(rb"""(?is)<meta[^>]{0,300}?charset\s*=\s*["']?\s*([-\w:.]{2,40})""")


def parse(path: Path) -> Iterator[Part]:
    """The whole page as one part. See `read_page`."""
    yield read_page(path.read_bytes())


def read_page(data: bytes, charset: str | None = None) -> Part:
    """A page as one part; ``charset`` is the one that its sender names, outside of it.

    Raises:
        EmptyDocument: A reader would see no text.
        ParserLimit: Elements are nested deeper than the parser goes.
    """
    claim = _CHARSET.search(data[:4096])
    decoded = decode(data, charset or (claim[1].decode("ascii") if claim else None))
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=True
    )
    source = storable(decoded.text).strip()
    root = etree.fromstring(source.encode(), parser) if source else None
    if root is None:
        raise EmptyDocument("the page contains no text")
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise ParserLimit("the page is nested too deeply to be read whole")
    flow = Flow()
    _Walk(flow).over(root)
    if not flow.text:
        raise EmptyDocument("the page contains no text that a reader would see")
    warnings = () if decoded.exact else (f"some bytes are not valid {decoded.encoding}",)
    return Part(
        text=storable(flow.text),
        title=_title(root, flow),
        blocks=tuple(flow.blocks),
        warnings=warnings,
    )


def _title(root: Any, flow: Flow) -> str | None:
    found = root.find(".//title")
    title = " ".join("".join(found.itertext()).split()) if found is not None else ""
    if not title:
        first = next((b for b in flow.blocks if b.kind is BlockKind.HEADING), None)
        title = flow.text[first.start : first.end] if first else ""
    return storable(title[:300]) or None


class _Walk:
    """One pass over the tree without recursion: pages may be nested as deep as they like."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._open: list[tuple[Any, ExitStack]] = []
        self._lists = 0
        self._cells = 0
        self._verbatim = 0
        self._grid: Grid | None = None
        self._numbers: list[int | None] = []  # next number of each open list, None for bullets

    def over(self, root: Any) -> None:
        """Write everything below ``root``."""
        left_out = furniture(root, _DROPPED)
        walk = etree.iterwalk(root, events=("start", "end"))
        for event, node in walk:
            tag = node.tag if isinstance(node.tag, str) else ""
            if event == "end":
                self._leave(node, tag)
            elif tag in _DROPPED or not tag or node in left_out or is_hidden(node):
                walk.skip_subtree()
            else:
                self._enter(node, tag)
                self._write(node.text)

    def _write(self, text: str | None) -> None:
        if text and self._verbatim:
            self._flow.verbatim(text)
        elif text:
            self._flow.write(text)

    def _enter(self, node: Any, tag: str) -> None:
        self._break(tag)
        scope = ExitStack()
        if tag in _HEADINGS and not self._cells:
            scope.enter_context(self._flow.block(BlockKind.HEADING, _HEADINGS[tag]))
        elif tag == "pre" and not self._cells:
            scope.enter_context(self._flow.block(BlockKind.CODE))
            self._count(scope, "_verbatim")
        elif tag in ("ul", "ol"):
            if not self._lists and not self._cells:
                scope.enter_context(self._flow.block(BlockKind.LIST))
            self._count(scope, "_lists")
            self._numbers.append(1 if tag == "ol" else None)
            scope.callback(self._numbers.pop)
        elif tag == "table" and not self._cells and node.find(".//table") is None:
            self._grid = Grid()
            scope.enter_context(self._flow.block(BlockKind.TABLE, cells=self._grid.cells))
            scope.callback(setattr, self, "_grid", None)
        elif tag == "tr" and self._grid is not None:
            self._grid.next_row()
        elif tag in ("td", "th"):
            self._enter_cell(node, scope)
        elif tag == "li" and not self._cells:
            self._flow.write(self._marker())
        self._open.append((node, scope))

    def _enter_cell(self, node: Any, scope: ExitStack) -> None:
        if node.getprevious() is not None:
            self._flow.write(CELL)
        if node.find(".//table") is not None:
            return
        self._count(scope, "_cells")
        if self._grid is not None:
            row, column = self._grid.place(_span(node, "rowspan"), _span(node, "colspan"))
            scope.enter_context(self._flow.cell(self._grid.cells, row, column))

    def _marker(self) -> str:
        number = self._numbers[-1] if self._numbers else None
        if number is None:
            return "- "
        self._numbers[-1] = number + 1
        return f"{number}. "

    def _count(self, scope: ExitStack, name: str) -> None:
        setattr(self, name, getattr(self, name) + 1)
        scope.callback(lambda: setattr(self, name, getattr(self, name) - 1))

    def _leave(self, node: Any, tag: str) -> None:
        if self._open and self._open[-1][0] is node:
            self._open.pop()[1].close()
            self._break(tag)
        if node.tail and self._open:
            self._write(node.tail)

    def _break(self, tag: str) -> None:
        if self._cells:
            if tag in _PARAGRAPHS or tag in _LINES:
                self._flow.write(" ")
        elif tag in _PARAGRAPHS and not (self._lists and tag != "body"):
            self._flow.newline(2)
        elif tag in _PARAGRAPHS or tag in _LINES:
            self._flow.newline()


def _span(node: Any, name: str) -> int:
    found = re.match(r"\s*(\d{1,4})", node.get(name) or "")
    return max(1, int(found[1])) if found else 1
