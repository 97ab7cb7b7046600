"""One sheet of an Excel workbook: its cells as shown, text boxes, chart titles and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.parse.chart import chart_title
from ingest.parse.number_format import format_number
from ingest.parse.package import Package, each, first, local, own
from ingest.parse.pptx_shapes import paragraphs
from ingest.parse.sheets import Ending, Row

_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_RANGE = re.compile(rf"{_REFERENCE.pattern}:{_REFERENCE.pattern}")
_ROWS, _COLUMNS = 1 << 20, 1 << 14
_MOST_MERGED = 10_000
_MOST_COMMENTS = 10_000
_BOOLEANS = {"0": "FALSE", "1": "TRUE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the sheets of a workbook share: texts, format codes by style, commenters by id."""

    strings: Sequence[str]
    codes: Sequence[str]
    people: Mapping[str, str]
    from_1904: bool


class Sheet:
    """Reads one sheet; ``unsolved`` counts the formulas that it has no results of."""

    def __init__(self, package: Package, name: str, shared: Shared) -> None:
        self._package = package
        self._name = name
        self._shared = shared
        self._merged: list[tuple[int, int, int, int]] = []
        self.unsolved = 0

    def rows(self) -> Iterator[Row]:
        """Rows with cells that are not empty, in order."""
        number = -1
        for node in self._package.elements(self._name, "row", "mergeCell"):
            if local(node) == "row":
                given = node.get("r", "")
                number = min(int(given) - 1, _ROWS) if given.isdecimal() else number + 1
                cells = list(self._cells(node))
                if cells:
                    yield max(number, 0), cells
            elif len(self._merged) < _MOST_MERGED and (found := _RANGE.match(node.get("ref", ""))):
                self._merged.append((*place(found[1], found[2]), *place(found[3], found[4])))

    def ending(self) -> Ending:
        """What stands beside the cells."""
        links = self._package.links(self._name)
        threads = [link.target for link in links.values() if link.type == "threadedComment"]
        notes = [link.target for link in links.values() if link.type == "comments"]
        texts: list[str] = []
        for link in links.values():
            if link.type == "drawing":
                texts += self._drawn(link.target)
        for name in threads:
            texts += self._thread(name)
        for name in notes:
            texts += self._notes(name, threaded=bool(threads))
        return Ending(merged=self._merged, paragraphs=texts[:_MOST_COMMENTS])

    def _cells(self, row: Any) -> Iterator[tuple[int, str]]:
        column = -1
        for node in own(row, "c"):
            found = _REFERENCE.match(node.get("r", ""))
            column = place(found[1], found[2])[1] if found else column + 1
            text = self._text(node) if len(node) else ""
            if text and not text.isspace() and column < _COLUMNS:
                yield column, text

    def _text(self, cell: Any) -> str:
        value = formula = None
        for child in cell:
            name = local(child)
            if name == "v":
                value = child.text
            elif name == "is":
                return rich(child)
            elif name == "f":
                formula = child.text or ""
        if value is None and formula is not None:
            self.unsolved += 1
            return f"={formula}" if formula else ""
        return self._shown(value or "", cell.get("t", "n"), cell.get("s", "0"))

    def _shown(self, value: str, kind: str, style: str) -> str:
        if kind == "s":
            index = int(value) if value.isdecimal() else -1
            strings = self._shared.strings
            return strings[index] if 0 <= index < len(strings) else ""
        if kind == "b":
            return _BOOLEANS.get(value, value)
        if kind != "n" or not value:
            return value
        codes = self._shared.codes
        index = int(style) if style.isdecimal() else 0
        code = codes[index] if index < len(codes) else "General"
        if code == "General" and len(value) < 15 and value.isdecimal():
            return value
        try:
            return format_number(float(value), code, from_1904=self._shared.from_1904)
        except ValueError:
            return value

    def _drawn(self, name: str) -> Iterator[str]:
        for body in each(self._package.xml(name), "txBody"):
            text = "\n".join(line for line in paragraphs(body) if line.strip())
            if text:
                yield text
        for chart in self._package.linked(name, "chart"):
            if (title := chart_title(self._package.xml(chart))) is not None:
                yield f"Chart: {title}"

    def _thread(self, name: str) -> Iterator[str]:
        for node in each(self._package.xml(name), "threadedComment"):
            author = self._shared.people.get(node.get("personId", ""), "")
            text = first(node, "text")
            yield comment(node.get("ref", ""), author, "" if text is None else text.text or "")

    def _notes(self, name: str, *, threaded: bool) -> Iterator[str]:
        root = self._package.xml(name)
        authors = [node.text or "" for node in each(first(root, "authors"), "author")]
        for node in each(root, "comment"):
            index = node.get("authorId", "")
            known = index.isdecimal() and int(index) < len(authors)
            author = authors[int(index)] if known else ""
            if threaded and author.startswith("tc="):
                continue  # a stand-in for older programs, for what the thread says
            text = rich(first(node, "text")).strip()
            yield comment(node.get("ref", ""), author, text.removeprefix(f"{author}:"))


def rich(node: Any | None) -> str:
    """Text of a string with formatted runs, without the pronunciation of East Asian ones."""
    return "".join(
        t.text or "" for t in each(node, "t") if local(t.getparent()) != "rPh" and t.text
    )


def comment(at: str, author: str, text: str) -> str:
    """A comment as a paragraph that says where it is and whose."""
    by = f" by {' '.join(author.split())}" if author.strip() else ""
    return f"Comment on {at[:20]}{by}: {text.strip()}"


def place(letters: str, digits: str) -> tuple[int, int]:
    """Row and column from 0 of a cell's name, A1 being (0, 0)."""
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return max(int(digits) - 1, 0), column - 1
