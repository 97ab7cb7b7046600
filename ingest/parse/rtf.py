"""Rich text (RTF): paragraphs, headings, tables and notes, without pictures and hidden text.

A file is groups in braces; what a group sets ends with it. Bytes are collected until the
encoding is known to change: one character of a double-byte encoding may be half escaped.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ingest.parse.encoding import storable
from ingest.parse.flow import Flow
from ingest.parse.parts import Part
from rag.errors import CorruptDocument, EmptyDocument
from rag.types import BlockKind

_TOKEN = re.compile(
    rb"(?P<text>[^\\{}\r\n]+)|\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?"
    rb"|\\'(?P<hex>[0-9a-fA-F]{2})|(?P<brace>[{}])|\\(?P<symbol>[^a-zA-Z])|[\\\r\n]"
)
_DEEPEST = 10_000
# fmt: off
_SKIPPED = frozenset((
    "atnauthor", "atndate", "atnicn", "atnid", "annotation", "atrfend", "atrfstart",
    "bkmkend", "bkmkstart", "colortbl", "datafield", "datastore", "fldinst", "filetbl",
    "footer", "footerf", "footerl", "footerr", "formfield", "generator", "header", "headerf",
    "headerl", "headerr", "info", "latentstyles", "listoverridetable", "listtable",
    "nonshppict", "objdata", "pgptbl", "pict", "pntext", "private", "revtbl", "rsidtbl", "rxe",
    "shprslt", "sn", "stylesheet", "sv", "tc", "themedata", "txe", "xe", "xmlnstbl", "fontemb",
))
_CHARACTERS = {
    "tab": "\t", "line": "\n", "emdash": "\u2014", "endash": "\u2013", "emspace": "\u2003",
    "enspace": "\u2002", "qmspace": "\u2005", "bullet": "\u2022", "lquote": "\u2018",
    "rquote": "\u2019", "ldblquote": "\u201c", "rdblquote": "\u201d", "~": "\u00a0",
    "_": "\u2011", "{": "{", "}": "}", "\\": "\\",
}
_CHARSETS = {
    77: "mac_roman", 78: "shift_jis", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk",
    136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256",
    186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}
# fmt: on


def parse(path: Path) -> Iterator[Part]:
    """The whole document as one part.

    Raises:
        CorruptDocument: Groups are left open, or nested beyond sense.
        EmptyDocument: It contains no text.
    """
    reader = _Reader()
    closed = reader.read(path.read_bytes())
    text = storable(reader.flow.text)
    if not text:
        raise EmptyDocument("the document contains no text")
    yield Part(
        text=text,
        title=storable(" ".join(_joined(reader.title).split())[:300]) or None,
        blocks=tuple(reader.flow.blocks),
        warnings=() if closed else ("the file ends before its text does; it may be cut off",),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a group sets, and its end undoes."""

    skipped: bool = False
    hidden: bool = False
    encoding: str | None = None
    fallback: int = 1  # characters after \\u that stand for it in old readers
    sink: str = ""  # "", or the destination that keeps its text: title, note, fonts


@dataclass(slots=True)
class _Paragraph:
    """Text until the next break, and what kind of text it is."""

    pieces: list[str] = field(default_factory=list)
    level: int = 0
    in_table: bool = False


class _Reader:
    """One pass over the file."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.title: list[str] = []
        self._notes: list[list[str]] = []
        self._state = _State()
        self._open: list[_State] = []
        self._bytes = bytearray()
        self._paragraph = _Paragraph()
        self._rows: list[list[str]] = []
        self._cells: list[str] = []
        self._encoding = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._to_skip = 0
        self._starred = False

    def read(self, data: bytes) -> bool:
        """Read everything; false when the outermost group was never closed."""
        position = 0
        while position < len(data):
            found = _TOKEN.match(data, position)
            if found is None:  # cannot be: every byte is some token
                break
            position = found.end()
            kind = found.lastgroup
            if kind == "text":
                self._take(found["text"])
            elif kind == "hex":
                self._take(bytes.fromhex(found["hex"].decode()))
            elif kind == "brace":
                if self._brace(found["brace"]) and not self._open:
                    break
            elif kind in ("word", "number"):
                number = int(found["number"]) if found["number"] else None
                word = found["word"].decode()
                if word == "bin":  # so many bytes of a picture follow
                    position += max(0, number or 0)
                self._word(word, number)
            elif kind == "symbol":
                self._symbol(found["symbol"].decode("latin-1"))
        closed = not self._open
        self._finish()
        return closed

    def _take(self, raw: bytes) -> None:
        self._starred = False
        skipped = min(self._to_skip, len(raw))
        self._to_skip -= skipped
        if not self._state.skipped and not self._state.hidden:
            self._bytes += raw[skipped:]

    def _brace(self, brace: bytes) -> bool:
        """Enter or leave a group; true when one was left."""
        self._flush()
        self._to_skip, self._starred = 0, False
        if brace == b"{":
            if len(self._open) >= _DEEPEST:
                raise CorruptDocument("the RTF document is damaged: its groups never end")
            self._open.append(self._state)
            return False
        if self._open:
            self._state = self._open.pop()
        return True

    def _symbol(self, symbol: str) -> None:
        if symbol == "*":
            self._starred = True
        elif symbol in "\r\n":
            self._word("par", None)
        elif symbol in _CHARACTERS:
            self._write(_CHARACTERS[symbol])

    def _word(self, word: str, number: int | None) -> None:
        starred, self._starred = self._starred, False
        if word in _CHARACTERS:
            self._write(_CHARACTERS[word])
        elif word == "u" and number is not None:
            self._write(chr(number % 0x10000))
            self._to_skip = self._state.fallback
        elif not self._destination(word, starred) and not self._character(word, number):
            self._layout(word, number)

    def _destination(self, word: str, starred: bool) -> bool:
        """Whether the word says where the text of its group goes."""
        if word in ("title", "footnote", "fonttbl"):
            self._enter(word)
        elif word in ("shptxt", "result"):  # text boxes stand in groups that are skipped
            self._enter("")
        elif word in _SKIPPED or (starred and word != "shpinst"):
            self._flush()
            self._state = replace(self._state, skipped=True)
        else:
            return False
        return True

    def _enter(self, sink: str) -> None:
        self._flush()
        self._state = replace(self._state, skipped=False, sink=sink)
        if sink == "footnote":
            self._notes.append([])

    def _character(self, word: str, number: int | None) -> bool:
        """Whether the word sets how characters are read."""
        if word == "uc":
            self._state = replace(self._state, fallback=max(0, min(number or 0, 16)))
        elif word == "ansicpg":
            self._encoding = _codec(f"cp{number}") or self._encoding
        elif word in ("mac", "pc", "pca"):
            self._encoding = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[word]
        elif word == "f":
            self._flush()
            self._font = number or 0
            self._state = replace(self._state, encoding=self._fonts.get(self._font))
        elif word == "fcharset":
            self._fonts[self._font] = _CHARSETS.get(number or 0, self._encoding)
        elif word in ("v", "deleted"):
            self._flush()
            self._state = replace(self._state, hidden=number != 0)
        elif word == "plain":
            self._flush()
            self._state = replace(self._state, hidden=False)
        else:
            return False
        return True

    def _layout(self, word: str, number: int | None) -> None:
        if self._state.skipped or self._state.sink:
            if word == "par":
                self._write("\n")
        elif word in ("par", "sect", "page"):
            self._end_paragraph()
        elif word == "pard":
            self._paragraph.level, self._paragraph.in_table = 0, False
        elif word == "outlinelevel" and number is not None and 0 <= number <= 5:
            self._paragraph.level = number + 1
        elif word in ("intbl", "itap") and number != 0:
            self._paragraph.in_table = True
        elif word in ("cell", "nestcell"):
            self._flush()
            self._cells.append(" ".join("".join(self._paragraph.pieces).split()))
            self._paragraph.pieces = []
        elif word in ("row", "nestrow"):
            self._end_row()

    def _write(self, text: str) -> None:
        if self._state.skipped or self._state.hidden:
            return
        self._flush()
        self._keep(text)

    def _flush(self) -> None:
        """Decode what has been collected, before anything changes how."""
        if self._bytes:
            encoding = self._state.encoding or self._encoding
            self._keep(bytes(self._bytes).decode(encoding, "replace"))
            self._bytes.clear()

    def _keep(self, text: str) -> None:
        if self._state.sink == "title":
            self.title.append(text)
        elif self._state.sink == "footnote":
            self._notes[-1].append(text)
        elif not self._state.sink:
            self._paragraph.pieces.append(text)

    def _end_paragraph(self) -> None:
        self._flush()
        if self._paragraph.in_table or self._cells:  # a paragraph within a cell
            self._paragraph.pieces.append(" ")
            return
        pieces, self._paragraph.pieces = self._paragraph.pieces, []
        self._write_rows()
        self._write_paragraph(_joined(pieces), self._paragraph.level)

    def _end_row(self) -> None:
        self._flush()
        if any(self._cells):
            self._rows.append(self._cells)
        self._cells = []

    def _write_rows(self) -> None:
        if not self._rows:
            return
        self.flow.table(self._rows)
        self._rows = []

    def _write_paragraph(self, text: str, level: int) -> None:
        if not text.strip():
            return
        if level:
            with self.flow.block(BlockKind.HEADING, level):
                self.flow.write(text)
            return
        self.flow.newline(2)
        for line in text.split("\n"):
            self.flow.write(line)
            self.flow.newline()
        self.flow.newline(2)

    def _finish(self) -> None:
        self._flush()
        if self._cells:
            self._end_row()
        self._paragraph.in_table = False
        self._end_paragraph()
        for note in self._notes:
            self._write_paragraph(_joined(note), 0)


def _joined(pieces: list[str]) -> str:
    """Text of UTF-16 code units, as RTF counts them."""
    return "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _codec(name: str) -> str | None:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None
