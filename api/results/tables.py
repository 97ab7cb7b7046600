"""Results as comma-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from api.results.entries import Cell, Entry

# By what sheets know a formula, also in the wide forms of East Asian text.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def as_csv(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Comma-separated UTF-8 with a byte order mark, by which sheets know it.

    Text that a sheet would take for a formula gets an apostrophe before it.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    yield b"\xef\xbb\xbf"
    for number, entry in enumerate(entries):
        if number == 0:
            writer.writerow(map(_harmless, entry.columns))
        writer.writerow([_harmless(cell) for cell in entry.columns.values()])
        yield buffer.getvalue().encode("utf-8", "backslashreplace")
        buffer.seek(0)
        buffer.truncate()


def _harmless(cell: Cell) -> Cell:
    """A cell that says the same and starts nothing, whatever white space a sheet leaves out."""
    if not isinstance(cell, str):
        return cell
    if cell.lstrip().startswith(_FORMULA) or cell.startswith(("\t", "\r", "\n")):
        return f"'{cell}"
    return cell
