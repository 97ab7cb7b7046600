from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ingest.parse import parse
from ingest.parse.sheets import reference
from rag.errors import CorruptDocument, EmptyDocument, EncryptedDocument
from rag.types import BlockKind, ParsedDocument

TYPE = "application/vnd.ms-excel"
BOF, EOF, FORMAT, XF, SHEET, FONT, PASSWORD = 0x809, 0x0A, 0x41E, 0xE0, 0x85, 0x31, 0x2F
NUMBER, LABEL, BOOLERR, MERGED = 0x203, 0x204, 0x205, 0xE5


def record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def unicode(text: str, length: str) -> bytes:
    return struct.pack(f"<{length}B", len(text), 1) + text.encode("utf-16-le")


def begins(kind: int) -> bytes:
    return record(BOF, struct.pack("<HHHHII", 0x600, kind, 0, 1997, 0, 0))


def number(row: int, column: int, value: float, style: int = 0) -> bytes:
    return record(NUMBER, struct.pack("<HHHd", row, column, style, value))


def label(row: int, column: int, text: str) -> bytes:
    return record(LABEL, struct.pack("<HHH", row, column, 0) + unicode(text, "H"))


def read(tmp_path: Path, *sheets: tuple[str, int, bytes], before: bytes = b"") -> ParsedDocument:
    """A workbook of BIFF8 records; each sheet is its name, whether hidden, and its cells."""
    codes = ("General", "#,##0.00", "yyyy-mm-dd", '0.0"x"')
    head = begins(5) + before
    head += b"".join(
        record(FORMAT, struct.pack("<H", 164 + i) + unicode(code, "H"))
        for i, code in enumerate(codes)
    )
    head += record(
        FONT, struct.pack("<HHHHHBBBB", 200, 0, 0, 400, 0, 0, 0, 0, 0) + unicode("A", "B")
    )
    head += b"".join(
        record(XF, struct.pack("<HHH", 0, 164 + i, 0) + bytes(14)) for i in range(len(codes))
    )
    bodies = [begins(0x10) + cells + record(EOF) for _, _, cells in sheets]
    listing = sum(12 + 2 * len(name) for name, _, _ in sheets)
    at, data = len(head) + listing + 4, head
    for (name, hidden, _), body in zip(sheets, bodies, strict=True):
        data += record(SHEET, struct.pack("<IBB", at, hidden, 0) + unicode(name, "B"))
        at += len(body)
    path = tmp_path / "book.xls"
    path.write_bytes(data + record(EOF) + b"".join(bodies))
    return parse(path, TYPE)


def test_cells_as_shown(tmp_path: Path) -> None:
    fees = (
        label(0, 0, "Kunde") + label(0, 1, "Gebühr €") + label(0, 2, "Seit")
        + label(1, 0, "Pell") + number(1, 1, 184500, 1) + number(1, 2, 45352, 2)
        + record(BOOLERR, struct.pack("<HHHBB", 2, 1, 0, 1, 0))
        + record(BOOLERR, struct.pack("<HHHBB", 2, 2, 0, 7, 1))
        + number(9, 200, 2.25, 3) + number(9, 201, 3, 0)
        + record(MERGED, struct.pack("<HHHHH", 1, 1, 2, 0, 0))
    )  # fmt: skip
    document = read(tmp_path, ("Fees", 0, fees), ("Shut", 1, number(0, 0, 1)), ("Void", 0, b""))
    assert document.text == (
        "Fees\n\nKunde\tGebühr €\tSeit\nPell\t184,500.00\t2024-03-01\n\tTRUE\t#DIV/0!\n\n"
        "2.3x\t3\n\nShut\n\n1\n\nVoid"
    )
    assert [page.number for page in document.pages] == [1, 2, 3]
    assert document.warnings == (
        "hidden in the workbook, but read: sheet 'Shut'",
        "empty: sheet 'Void'",
    )
    table = next(block for block in document.blocks if block.kind is BlockKind.TABLE)
    cells = {reference(c.row, c.column): document.text[c.start : c.end] for c in table.cells}
    assert (cells["B2"], cells["A2"], cells["A3"]) == ("184,500.00", "Pell", "Pell")


def test_locked_empty_and_damaged(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument):
        read(tmp_path, ("Void", 0, b""))
    lock = record(PASSWORD, struct.pack("<HHH", 0, 1, 2))
    with pytest.raises(EncryptedDocument, match="locked with a password"):
        read(tmp_path, ("Fees", 0, number(0, 0, 1)), before=lock)
    path = tmp_path / "cut.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(CorruptDocument, match="workbook is damaged"):
        parse(path, TYPE)
