from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ingest.parse.package import opened
from rag.errors import CorruptDocument, EncryptedDocument, ParserLimit

RELS = """<Relationships>
<Relationship Id="r1" Type="http://x/2006/relationships/slide" Target="slides/a%20b.xml"/>
<Relationship Id="r2" Type="http://y/relationships/slide" Target="/ppt/up/../c.xml"/>
<Relationship Id="r3" Type="http://x/slide" Target="http://host/" TargetMode="External"/>
<Relationship Id="r4" Type="http://x/slide" Target="../../../../etc/passwd"/>
</Relationships>"""


def made(tmp_path: Path, **members: bytes | str) -> Path:
    path = tmp_path / "file"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)
    return path


def test_parts_are_found_however_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PPT\\Main.xml", "<a><b>text</b></a>")
        archive.writestr("ppt/_rels/main.xml.rels", RELS)
    with opened(path, "file") as package:
        assert package.xml("/ppt/main.xml").findtext("b") == "text"
        assert package.xml("ppt/other.xml") is None
        targets = [link.target for link in package.links("ppt/main.xml").values()]
        assert targets == ["ppt/slides/a b.xml", "ppt/c.xml", "etc/passwd"]
        assert "etc/passwd" not in package


def test_elements_are_forgotten(tmp_path: Path) -> None:
    rows = "".join(f"<row><c>{number}</c></row>" for number in range(50_000))
    with opened(made(tmp_path, sheet=f"<s><rows>{rows}</rows></s>"), "file") as package:
        kept = []
        for row in package.elements("sheet.xml", "row"):
            assert len(row.getparent()) < 5000
            kept.append(row.findtext("c"))
    assert kept == [str(number) for number in range(50_000)]


def test_what_expands_too_far_is_not_read(tmp_path: Path) -> None:
    bomb = made(tmp_path, a=b"<a>" + b" " * (65 << 20) + b"</a>")
    with opened(bomb, "file") as package, pytest.raises(ParserLimit, match="250-fold"):
        next(package.elements("a.xml", "a"))
    many = tmp_path / "many"
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(50_001):
            archive.writestr(str(number), b"")
    with pytest.raises(ParserLimit, match="50,000 members"), opened(many, "file"):
        pass


def test_a_size_that_is_a_lie_costs_nothing(tmp_path: Path) -> None:
    path = made(tmp_path, a=b"<a>" + b"x" * 100_000 + b"</a>")
    true = (100_007).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true, (50).to_bytes(4, "little")))
    with pytest.raises(CorruptDocument, match="archive is broken"), opened(path, "file") as package:
        package.xml("a.xml")


def test_locked_parts(tmp_path: Path) -> None:
    path = made(tmp_path, a="<a/>")
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with opened(path, "file") as package, pytest.raises(EncryptedDocument, match="password"):
        package.xml("a.xml")


def test_entities_stay_closed(tmp_path: Path) -> None:
    laughs = '<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;">]><a><b>&m;</b></a>'
    with opened(made(tmp_path, a=laughs), "file") as package:
        assert "ha" not in "".join(package.xml("a.xml").itertext())
        assert [b.text for b in package.elements("a.xml", "b")] == [None]
    with (
        opened(made(tmp_path, a="<a>"), "word file") as package,
        pytest.raises(CorruptDocument, match=r"word file is damaged: a\.xml is not XML"),
    ):
        package.xml("a.xml")
