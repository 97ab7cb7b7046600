from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.parse import parse, zip
from rag.errors import CorruptDocument, EmptyDocument, EncryptedDocument, IbidemError, ParserLimit
from rag.types import ParsedDocument
from tests.locked import locked_zip


def packed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def read(tmp_path: Path, data: bytes) -> ParsedDocument:
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    return parse(path, "application/zip")


def found(document: ParsedDocument) -> list[tuple[str, bytes]]:
    return [(one.name, one.content) for one in document.attachments]


def test_members_are_listed_and_handed_on(tmp_path: Path) -> None:
    folder = zipfile.ZipInfo("reports/")
    document = read(
        tmp_path,
        packed(
            (folder, b""),
            ("reports/März.txt", b"one"),
            ("b.txt", b"two"),
            ("c.txt", b"three"),
            ("none.txt", b""),
            ("__MACOSX/._b.txt", b"x"),
            (".git/config", b"x"),
        ),
    )
    assert document.text == "reports/März.txt\nb.txt\nc.txt\nnone.txt"
    expected = [("reports/März.txt", b"one"), ("b.txt", b"two"), ("c.txt", b"three")]
    assert found(document) == expected
    assert document.warnings == (
        "hidden files in the archive were left out: 2",
        "'none.txt' in the archive is empty",
    )


def test_names_lead_nowhere(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    document = read(
        tmp_path,
        packed(
            ("../../../tmp/a.txt", b"a"),
            ("/etc/cron.d/b.txt", b"b"),
            ("..\\..\\c.txt", b"c"),
            ("C:\\d.txt", b"d"),
            (link, b"/etc/passwd"),
        ),
    )
    assert [name for name, _ in found(document)] == [
        "tmp/a.txt",
        "etc/cron.d/b.txt",
        "c.txt",
        "d.txt",
    ]
    assert document.warnings == ("'link' in the archive is a link and was left out",)


def test_names_without_a_charset(tmp_path: Path) -> None:
    data = packed(("a1234.txt", b"one"), ("b123.txt", b"two"))
    document = read(
        tmp_path,
        data.replace(b"a1234", "Ü日".encode()).replace(b"b123", "büro".encode("cp437")),
    )
    assert [name for name, _ in found(document)] == ["Ü日.txt", "büro.txt"]


def test_a_damaged_member_costs_only_itself(tmp_path: Path) -> None:
    data = packed(("a.txt", b"one" * 50), ("b.txt", b"two"))
    start = data.index(b"a.txt") + 5
    broken = data[:start] + b"\xff\xff\xff" + data[start + 3 :]
    document = read(tmp_path, broken)
    assert found(document) == [("b.txt", b"two")]
    assert document.warnings == ("'a.txt' in the archive was left out: it is damaged",)
    with pytest.raises(CorruptDocument, match="nothing in the zip"):
        read(tmp_path, broken.replace(b"b.txt", b".hide"))
    with pytest.raises(CorruptDocument, match="damaged"):
        read(tmp_path, data[:-30])


def test_nothing_in_it(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match="no files"):
        read(tmp_path, packed())
    with pytest.raises(EmptyDocument, match="hidden"):
        read(tmp_path, packed((".a", b"x")))


def directory(entries: list[tuple[bytes, int, int, int]], local: bytes) -> bytes:
    """An archive whose directory says (name, packed, unpacked, place) of each member."""
    listed = b"".join(
        struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 33, 0, small, large, len(name),
            0, 0, 0, 0, 0, place,
        ) + name
        for name, small, large, place in entries
    )  # fmt: skip
    n = len(entries)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, n, n, len(listed), len(local), 0)
    return local + listed + end


def test_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = zlib.compress(bytes(1 << 20))[2:-4]
    head = struct.pack(
        "<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 33, 0, len(zeros), 1 << 20, 1, 0
    ) + b"a"  # fmt: skip
    local = head + zeros
    with pytest.raises(ParserLimit, match="times its size"):
        read(tmp_path, directory([(b"a", len(zeros), 1 << 30, 0)], local))
    with pytest.raises(ParserLimit, match="share their bytes"):
        read(tmp_path, directory([(b"a", len(zeros), 99, 0), (b"b", len(zeros), 99, 0)], local))
    with pytest.raises(ParserLimit, match="share their bytes"):
        read(tmp_path, directory([(b"a", len(zeros), 99, 0), (b"b", 9, 99, 50)], local))
    with pytest.raises(ParserLimit, match="6,000 members"):
        read(tmp_path, directory([(b"a", 0, 0, 0)] * 6000, local))
    with pytest.raises(ParserLimit, match="300 MB"):
        read(tmp_path, directory([(b"a", len(zeros), 300_000_000, 0)], local + bytes(2_000_000)))
    lying = directory([(b"a", len(zeros), 10, 0)], local)
    with pytest.raises(CorruptDocument):  # ten bytes are unpacked, and are not what they claim
        read(tmp_path, lying)


def test_locked_members(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(locked_zip((b"secret.txt", b"the secret words")))
    with pytest.raises(EncryptedDocument, match="again with its password"):
        parse(path, "application/zip")
    with pytest.raises(EncryptedDocument, match="does not open"):
        parse(path, "application/zip", password="wrong")
    document = parse(path, "application/zip", password="tika")
    assert found(document) == [("secret.txt", b"the secret words")]
    with pytest.raises(EncryptedDocument, match="again with its password"):
        parse(path, "application/zip")  # though the same child has just heard it
    path.write_bytes(locked_zip((b"secret.txt", b"the secret words"), method=99))
    with pytest.raises(EncryptedDocument, match="AES"):
        parse(path, "application/zip", password="tika")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_damage_ends_in_members_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(packed(("a.txt", b"one" * 40), ("d/b.txt", b"two")))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=6)):
        whole[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "any.zip"
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))] or whole))
    try:
        parts = list(zip.parse(path))
    except IbidemError:
        return
    assert parts[0].text
    for part in parts:
        assert all(a.name and not a.name.startswith(("/", "..")) for a in part.attachments)
