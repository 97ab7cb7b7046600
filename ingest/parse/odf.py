"""What all OpenDocument files share: the package, the title, and text with its structure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest.parse.encoding import storable
from ingest.parse.flow import Flow
from ingest.parse.numerals import arabic, letters, roman
from ingest.parse.package import Package, attribute, each, first, local, locked, opened, own
from rag.errors import CorruptDocument
from rag.types import BlockKind

CONTENT = "content.xml"
_LONGEST_TITLE = 300
_MOST_SPACES = 1_000
_MOST_REPEATED = 1_000
_DEEPEST = 60
_NUMERALS = {"1": arabic, "a": letters, "A": letters, "i": roman, "I": roman}
# Deleted text, comments, notes (written at the end), tables of contents and pronunciation.
_SKIPPED = frozenset(
    ("", "tracked-changes", "annotation", "annotation-end", "note", "table-of-content", "ruby-text")
)
_ROW_GROUPS = frozenset(("table-header-rows", "table-rows", "table-row-group"))
_FRAMES = frozenset(("frame", "text-box", "g", "a", "custom-shape", "rect", "ellipse"))


@contextmanager
def opened_odf(path: Path, kind: str) -> Iterator[Package]:
    """The parts of an OpenDocument file; ``kind`` is what messages call it.

    Raises:
        CorruptDocument: The archive or a part of it is damaged, or it has no content.
        EncryptedDocument: It is locked with a password.
        ParserLimit: A part expands beyond what is read.
    """
    with opened(path, kind) as package:
        manifest = package.xml("META-INF/manifest.xml")
        if "encrypted-package" in package or first(manifest, "encryption-data") is not None:
            raise locked(kind)
        if CONTENT not in package:
            raise CorruptDocument(f"the {kind} is damaged: it has no content")
        yield package


def title(package: Package) -> str | None:
    """The title in the document's properties."""
    node = first(package.xml("meta.xml"), "title")
    text = " ".join((node.text or "").split()) if node is not None else ""
    return storable(text[:_LONGEST_TITLE]) or None


class Writer:
    """Writes paragraphs, headings, lists and tables, and keeps notes for the end."""

    def __init__(self, flow: Flow, *roots: Any) -> None:
        """``roots`` are those of content and styles."""
        self._flow = flow
        self._notes: list[Any] = []
        self._parents = {
            attribute(node, "name"): attribute(node, "parent-style-name")
            for root in roots
            for node in each(root, "style")
        }
        self._lists = {
            attribute(node, "name"): node for root in roots for node in each(root, "list-style")
        }

    def body(self, node: Any, depth: int = 0) -> None:
        """Everything inside a body, section, cell or text box."""
        if depth > _DEEPEST:
            return
        for child in node:
            name = local(child)
            if name == "h":
                self._heading(child)
            elif name == "p":
                self._paragraph(child, depth)
            elif name == "list":
                self._list(child)
            elif name == "table":
                self._flow.table(rows(child))
            elif name not in _SKIPPED:
                self.body(child, depth + 1)

    def notes(self) -> None:
        """Footnotes and endnotes, in order."""
        for note in self._notes:
            mark = next((text(one) for one in own(note, "note-citation")), "")
            for body in own(note, "note-body"):
                words = " ".join(" ".join(text(one) for one in each(body, "p", "h")).split())
                self._flow.newline(2)
                self._flow.write(f"{mark} {words}")
                self._flow.newline(2)

    def _heading(self, node: Any) -> None:
        level = attribute(node, "outline-level") or "1"
        self._notes += each(node, "note")
        with self._flow.block(
            BlockKind.HEADING, min(max(int(level), 1), 6) if level.isdecimal() else 1
        ):
            self._flow.write(text(node))

    def _paragraph(self, node: Any, depth: int) -> None:
        style = attribute(node, "style-name")
        self._notes += each(node, "note")
        if "Title" in (style, self._parents.get(style)):
            with self._flow.block(BlockKind.HEADING, 1):
                self._flow.write(text(node))
        else:
            self._flow.newline(2)
            self._flow.verbatim(text(node).strip())
            self._flow.newline(2)
        for frame in _frames(node):
            self.body(frame, depth + 1)

    def _list(self, node: Any) -> None:
        with self._flow.block(BlockKind.LIST):
            self._items(node, self._lists.get(attribute(node, "style-name")), 1)

    def _items(self, node: Any, style: Any | None, level: int) -> None:
        levels = {attribute(one, "level"): one for one in (() if style is None else style)}
        number: int | None = None
        for item in own(node, "list-item", "list-header"):
            number = _next(item, levels.get(str(level)), number)
            marker = _marker(levels.get(str(level)), number)
            for child in item:
                name = local(child)
                if name == "list" and level < _DEEPEST:
                    nested = self._lists.get(attribute(child, "style-name"), style)
                    self._items(child, nested, level + 1)
                elif name in ("p", "h") and (words := " ".join(text(child).split())):
                    self._notes += each(child, "note")
                    self._flow.newline()
                    self._flow.write(f"{marker}{words}" if local(item) == "list-item" else words)
                    marker = ""


def text(node: Any) -> str:
    """Text of a paragraph as it reads, without notes, comments and frames."""
    pieces = [node.text or ""]
    for child in node:
        name = local(child)
        if name == "s":
            count = attribute(child, "c") or "1"
            pieces.append(" " * min(int(count) if count.isdecimal() else 1, _MOST_SPACES))
        elif name in ("tab", "line-break"):
            pieces.append("\t" if name == "tab" else "\n")
        elif name not in _SKIPPED and (name not in _FRAMES or _is_link(child)):
            pieces.append(text(child))
        pieces.append(child.tail or "")
    return "".join(pieces)


def rows(table: Any) -> Iterator[list[str | None]]:
    """Texts of a table's cells, row by row; what a cell beside covers is ``None``."""
    for node in _own_rows(table):
        texts: list[str | None] = []
        covered = 0
        for cell in own(node, "table-cell", "covered-table-cell"):
            if covered and local(cell) == "covered-table-cell":
                count = repeated(cell, "number-columns-repeated", _MOST_REPEATED)
                texts += [None] * count
                covered -= count
                continue
            covered = repeated(cell, "number-columns-spanned", _MOST_REPEATED) - 1
            words = " ".join(text(one) for one in each(cell, "p", "h"))
            texts += [words] * repeated(cell, "number-columns-repeated", _MOST_REPEATED)
        while texts and not (texts[-1] or "").strip():
            texts.pop()
        count = repeated(node, "number-rows-repeated", _MOST_REPEATED) if any(texts) else 1
        yield from [texts] * count


def _own_rows(table: Any) -> Iterator[Any]:
    """Rows of a table but not of the tables in its cells."""
    for node in table:
        if local(node) == "table-row":
            yield node
        elif local(node) in _ROW_GROUPS:
            yield from _own_rows(node)


def repeated(node: Any, name: str, most: int) -> int:
    """How often a cell or row stands there."""
    count = attribute(node, name) or "1"
    return min(max(int(count), 1), most) if count.isdecimal() and len(count) < 10 else 1


def _frames(paragraph: Any) -> Iterator[Any]:
    """Frames anchored in a paragraph, the outermost of each."""
    for child in paragraph:
        name = local(child)
        if name in _FRAMES and not _is_link(child):
            yield child
        elif name not in _SKIPPED:
            yield from _frames(child)


def _is_link(node: Any) -> bool:
    """Whether an "a" is one around text and not around a frame."""
    return local(node) == "a" and first(node, "frame") is None


def _next(item: Any, level: Any | None, number: int | None) -> int | None:
    if local(item) == "list-header":
        return number
    given = attribute(item, "start-value")
    if given is None and number is None and level is not None:
        given = attribute(level, "start-value") or "1"
    return int(given) if given is not None and given.isdecimal() else (number or 0) + 1


def _marker(level: Any | None, number: int | None) -> str:
    style = "" if level is None else attribute(level, "num-format") or ""
    numeral = _NUMERALS.get(style)
    if level is None or numeral is None or number is None:
        return "- "
    shown = numeral(number).upper() if style.isupper() else numeral(number)
    before = attribute(level, "num-prefix") or ""
    return f"{before}{shown}{attribute(level, 'num-suffix') or ''} "
