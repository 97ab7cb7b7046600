from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pytest

from ingest.parse import detect, parse
from rag.errors import CorruptDocument, IbidemError
from rag.types import ParsedDocument

TYPE = "application/vnd.ms-outlook"
Tree: TypeAlias = "dict[str, bytes | Tree]"
_END, _FREE = 0xFFFFFFFE, 0xFFFFFFFF


def compound(tree: Tree) -> bytes:
    """A compound file (MS-CFB) of small streams, all of them in its mini stream."""
    entries: list[list[int | str]] = []  # name, type, right sibling, child, start, size
    mini = bytearray()
    mini_table: list[int] = []

    def add(name: str, content: bytes | Tree, kind: int) -> int:
        place = len(entries)
        entries.append([name, kind, _FREE, _FREE, 0, 0])
        if isinstance(content, bytes):
            count = -(-len(content) // 64)
            first = len(mini_table)
            mini_table.extend([*range(first + 1, first + count), _END] if count else [])
            mini.extend(content.ljust(count * 64, b"\0"))
            entries[place][4:] = [first if count else _END, len(content)]
            return place
        before = None
        for child, inner in sorted(content.items(), key=lambda item: (len(item[0]), item[0])):
            at = add(child, inner, 2 if isinstance(inner, bytes) else 1)
            if before is None:
                entries[place][3] = at
            else:
                entries[before][2] = at
            before = at
        return place

    add("Root Entry", tree, 5)
    entries[0][4:] = [0, len(mini)]
    parts = [bytes(mini), struct.pack(f"<{len(mini_table)}I", *mini_table), b""]
    for name, kind, right, child, start, size in entries:
        encoded = (str(name) + "\0").encode("utf-16-le")
        parts[2] += encoded.ljust(64, b"\0") + struct.pack(
            "<HBB3I36xIQ", len(encoded), kind, 1, _FREE, right, child, start, size
        )
    table: list[int] = []
    starts = []
    for part in parts:
        count = -(-len(part) // 512)
        starts.append(len(table))
        table += [*range(len(table) + 1, len(table) + count), _END]
    starts.append(len(table))
    table.append(0xFFFFFFFD)
    assert len(table) <= 128
    table += [_FREE] * (128 - len(table))
    entries[0][4] = starts[0]
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, starts[2], 0, 4096,
                        starts[1], -(-len(parts[1]) // 512), _END, 0)  # fmt: skip
    head += struct.pack("<I", starts[3]) + b"\xff" * (512 - 76 - 4)
    body = b"".join(part.ljust(-(-len(part) // 512) * 512, b"\0") for part in parts)
    return head + body + struct.pack("<128I", *table)


def stored(offset: int, *, numbers: dict[int, int] | None = None, **values: str | bytes) -> Tree:
    """A storage with properties; keywords are their ids in hexadecimal behind an underscore."""
    tree: Tree = {}
    stream = bytes(offset)
    for key, number in (numbers or {}).items():
        stream += struct.pack("<HHIII", 3, key, 6, number, 0)
    for name, value in values.items():
        key = int(name[1:], 16)
        kind = 0x1F if isinstance(value, str) else 0x102
        content = value.encode("utf-16-le") if isinstance(value, str) else value
        stream += struct.pack("<HHIII", kind, key, 6, len(content), 0)
        tree[f"__substg1.0_{key:04X}{kind:04X}"] = content
    return {**tree, "__properties_version1.0": stream}


def message(offset: int = 32, **values: str | bytes) -> Tree:
    return {**stored(offset, **values), "__nameid_version1.0": {}}


def attachment(number: int, method: int, **values: str | bytes) -> Tree:
    return {f"__attach_version1.0_#{number:08X}": stored(8, numbers={0x3705: method}, **values)}


def read(tmp_path: Path, tree: Tree) -> ParsedDocument:
    path = tmp_path / "a.msg"
    path.write_bytes(compound(tree))
    assert detect(path, "a.msg", None) == TYPE
    return parse(path, TYPE)


def test_headers_and_body(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        message(
            _0037="Größe der Pumpe",
            _1000="Dear Ada,\r\n\r\nit fits.\r\n",
            _0C1A="Jürgen",
            _0C1F="/o=Exchange/cn=jue",
            _5D01="j@example.org",
            _0E04="Ada; Bob",
        ),
    )
    assert document.title == "Größe der Pumpe"
    assert document.text == (
        "From: Jürgen <j@example.org>\nTo: Ada; Bob\nSubject: Größe der Pumpe\n\n"
        "Dear Ada,\n\nit fits."
    )


def test_headers_that_it_travelled_with_and_a_page(tmp_path: Path) -> None:
    sent = "From: =?utf-8?q?J=C3=BC?= <j@example.org>\r\nDate: Tue, 22 Oct 2024 08:14:00 +0200\r\n"
    page = "<h1>Größe</h1>".encode("cp1252")
    codepage = {0x3FDE: 1252}
    tree = {**stored(32, numbers=codepage, _007D=sent, _0037="x", _1013=page)}
    document = read(tmp_path, {**tree, "__nameid_version1.0": {}})
    assert document.text == (
        "From: Jü <j@example.org>\nDate: Tue, 22 Oct 2024 08:14:00 +0200\nSubject: x\n\nGröße"
    )


def test_attachments_and_a_message_within(tmp_path: Path) -> None:
    inner = message(24, _0037="inner", _1000="inner words") | attachment(
        0, 1, _3707="deep.txt", _3701=b"deep"
    )
    embedded = stored(8, numbers={0x3705: 5}, _3001="inner")
    tree = message(_0037="outer", _1000="outer words")
    tree |= attachment(0, 1, _3707="Übersicht.csv", _3701=b"a;b", _370E="text/csv")
    tree |= {"__attach_version1.0_#00000001": {**embedded, "__substg1.0_3701000D": inner}}
    tree |= attachment(2, 2, _3707="linked.doc")
    document = read(tmp_path, tree)
    assert document.text == "Subject: outer\n\nouter words\n\nSubject: inner\n\ninner words"
    assert [(one.name, one.content, one.media_type) for one in document.attachments] == [
        ("Übersicht.csv", b"a;b", "text/csv"),
        ("deep.txt", b"deep", None),
    ]
    (warning,) = document.warnings
    assert "'linked.doc' is a link" in warning


def test_damage_ends_in_a_reason(tmp_path: Path) -> None:
    whole = compound(message(_0037="subject", _1000="words"))
    path = tmp_path / "a.msg"
    path.write_bytes(whole[:700])
    with pytest.raises(CorruptDocument):
        parse(path, TYPE)
    for place in range(0, len(whole), 37):
        path.write_bytes(whole[:place] + b"\xff\xff" + whole[place + 2 :])
        with suppress(IbidemError):
            assert parse(path, TYPE).text
