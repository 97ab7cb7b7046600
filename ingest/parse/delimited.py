"""Tables in plain text (CSV, TSV): stored as decoded, unchanged; cells are spans of the source.

The delimiter is not declared anywhere, so it is the one that cuts the first records into equally
many fields. Cells are told apart up to a bound; the rows after it are a table of plain lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.parse.parts import Part
from ingest.parse.text import read_text
from rag.types import Block, BlockKind, TableCell

MOST_CELLS = 50_000
_DELIMITERS = "\t|;,"  # of two that fit as well, the one that is rarer within values
_SAMPLED_RECORDS = 200
_SAMPLED_CHARACTERS = 1 << 18
# The first line in which Excel names the delimiter; it is not a row.
_DECLARED = re.compile(r"sep=(.)(?:\r\n|\r|\n)")


@dataclass(frozen=True, slots=True)
class _Record:
    """A record without its line feed, and its fields, all as spans."""

    start: int
    end: int
    fields: list[tuple[int, int]]


def parse(path: Path) -> Iterator[Part]:
    """The whole file as one part.

    Raises:
        EmptyDocument: There is nothing but white space.
    """
    text, warnings = read_text(path)
    declared = _DECLARED.match(text)
    first = declared.end() if declared else 0
    delimiter = declared[1] if declared else detect_delimiter(text)
    if delimiter is None:  # a list of values: its lines are all there is to tell
        yield Part(text=text, warnings=warnings)
        return
    blocks = tables(text, first, delimiter)
    if len(blocks) > 1:
        rows = blocks[0].cells[-1].row + 1
        warnings += (f"cells are told apart in the first {rows:,} rows; the rest are plain lines",)
    yield Part(text=text, blocks=blocks, warnings=warnings)


def detect_delimiter(text: str) -> str | None:
    """The delimiter of a table; ``None`` when the text is no table of several columns."""
    best, best_score = None, (0.0, 0)
    for delimiter in _DELIMITERS:
        widths: Counter[int] = Counter()
        for record in _records(text, 0, delimiter):
            widths[len(record.fields)] += 1
            if record.end > _SAMPLED_CHARACTERS or widths.total() >= _SAMPLED_RECORDS:
                break
        columns, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        score = (count / max(1, widths.total()), columns)
        if columns > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def tables(text: str, first: int, delimiter: str) -> tuple[Block, ...]:
    """The table from ``first`` on: a block of the rows with cells, one of the rows after them."""
    cells: list[TableCell] = []
    row = 0
    begin, end = first, first
    for record in _records(text, first, delimiter):
        if len(cells) + len(record.fields) > MOST_CELLS:
            last = len(text.rstrip("\r\n"))
            rest = Block(kind=BlockKind.TABLE, start=record.start, end=last)
            return (*_table(begin, end, cells), rest)
        begin = begin if row else record.start
        cells += (
            TableCell(row=row, column=column, start=start, end=stop)
            for column, (start, stop) in enumerate(record.fields)
        )
        row, end = row + 1, record.end
    return _table(begin, end, cells)


def _table(start: int, end: int, cells: list[TableCell]) -> tuple[Block, ...]:
    if not cells:
        return ()
    return (Block(kind=BlockKind.TABLE, start=start, end=end, cells=tuple(cells)),)


def _records(text: str, first: int, delimiter: str) -> Iterator[_Record]:
    """Every record that is not blank. A quote that is never closed is an ordinary character."""
    mark = re.escape(delimiter)
    space = "[ ]*+" if delimiter == "\t" else r"[ \t]*+"
    field = re.compile(
        rf'{space}(?:"(?P<quoted>(?:[^"]++|"")*+)"(?=[ ]*+(?:{mark}|[\r\n]|\Z))[ ]*+'
        rf"|(?P<bare>[^{mark}\r\n]*+))(?P<end>{mark}|\r\n|\r|\n|\Z)"
    )
    fields: list[tuple[int, int]] = []
    begin = position = first
    while position <= len(text):
        found = field.match(text, position)
        if found is None:  # cannot be: what is left is at least an empty field
            return
        if found["bare"] is None:
            fields.append(found.span("quoted"))
        else:
            start = found.start("bare")
            fields.append((start, start + len(found["bare"].rstrip())))
        position = found.end()
        if found["end"] != delimiter:
            if len(fields) > 1 or fields[0][0] < fields[0][1]:
                yield _Record(begin, found.start("end"), fields)
            fields, begin = [], position
            if not found["end"]:
                return
