# ruff: noqa: RUF001 - other alphabets are the point
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import parse
from ingest.parse.encoding import decode, storable
from rag.errors import EmptyDocument
from rag.types import BlockKind, ParsedDocument

GERMAN = "Die Umsätze stiegen im zweiten Quartal um größere Beträge als für Müller üblich. "


def read(tmp_path: Path, data: bytes, media_type: str = "text/plain") -> ParsedDocument:
    path = tmp_path / "a"
    path.write_bytes(data)
    return parse(path, media_type)


@pytest.mark.parametrize("media_type", ["text/plain", "text/markdown"])
def test_text_is_stored_unchanged(tmp_path: Path, media_type: str) -> None:
    text = "\ufeffone\r\ntwo\rthree\n\n\t four \u2028 e\u0301 \x0c\U0001f600  \n"
    document = read(tmp_path, text.encode(), media_type)
    assert document.text == text[1:]  # the mark is not text
    assert document.pages == ()
    assert document.warnings == ()


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "cp1252"],
)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, (GERMAN * 5).encode(encoding)).text == GERMAN * 5


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему. ", "cp1251"),
        ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。", "shift_jis"),
        ("我们的收入在第二季度有所增长。这是公司历史上最好的结果。", "gb18030"),
    ],
)
def test_legacy_encodings_are_guessed(text: str, encoding: str) -> None:
    assert decode((text * 8).encode(encoding)).text == text * 8


def test_damaged_bytes_are_replaced_with_a_warning(tmp_path: Path) -> None:
    data = GERMAN.encode() * 9 + b"\xff" + GERMAN.encode()
    document = read(tmp_path, data)
    assert document.text == GERMAN * 9 + "\ufffd" + GERMAN
    assert "not valid utf-8" in document.warnings[0]


def test_what_no_database_stores_is_replaced_one_for_one(tmp_path: Path) -> None:
    document = read(tmp_path, b"before" + b"\x00" + b"after, and a long text behind it" * 50)
    assert document.text[6] == "\ufffd"
    assert document.text[7:12] == "after"
    assert "replaced" in document.warnings[0]


@given(st.text(st.characters(codec=None)))
def test_storable_keeps_offsets(text: str) -> None:
    stored = storable(text)
    assert len(stored) == len(text)
    assert "\x00" not in stored
    stored.encode()
    assert all(a == b or b == "\ufffd" for a, b in zip(text, stored, strict=True))


@given(st.text(min_size=1))
def test_utf8_is_never_guessed_at(text: str) -> None:
    decoded = decode(b"\xef\xbb\xbf" + text.encode())
    assert (decoded.text, decoded.exact) == (text, True)


@given(st.binary(max_size=300))
def test_any_bytes_decode_to_something(data: bytes) -> None:
    assert isinstance(decode(data).text, str)


def test_white_space_alone_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match="white space"):
        read(tmp_path, b" \r\n\t ")


MARKDOWN = """\
Intro
=====

Some *text*.

## The [second](x) part

- one
  - inner
- two

| a | b |
|---|---|
| 1 | 2 |

```python
print("# no heading")
```
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("title: Pump manual: TX-125", "Pump manual: TX-125"),
        ('title: "Pump \\"manual\\""', 'Pump "manual"'),
        ("Title: 'Pump''s manual'", "Pump's manual"),
        ("title: Pump manual # 7th", "Pump manual"),
        ("subtitle: no", "Part one"),
        ("title:", "Part one"),
    ],
)
def test_front_matter_gives_the_title_and_is_no_heading(
    tmp_path: Path, line: str, title: str, ending: str
) -> None:
    text = f"---\nedition: 7\n{line}\ndate: 2024-07-15\n---\n\n# Part one\n".replace("\n", ending)
    document = read(tmp_path, text.encode(), "text/markdown")
    assert document.text == text
    assert document.title == title
    assert [text[b.start : b.end] for b in document.blocks] == ["# Part one"]


def test_a_rule_is_no_front_matter(tmp_path: Path) -> None:
    text = "---\n\n# Part one\n\ntitle: x\n"
    document = read(tmp_path, text.encode(), "text/markdown")
    assert document.title == "Part one"
    assert len(document.blocks) == 1


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_markdown_structure(tmp_path: Path, ending: str) -> None:
    text = MARKDOWN.replace("\n", ending)
    document = read(tmp_path, text.encode(), "text/markdown")
    assert document.text == text
    assert document.title == "Intro"
    found = [
        (b.kind, b.level, text[b.start : b.end].replace(ending, "\n")) for b in document.blocks
    ]
    assert found == [
        (BlockKind.HEADING, 1, "Intro\n====="),
        (BlockKind.HEADING, 2, "## The [second](x) part"),
        (BlockKind.LIST, 0, "- one\n  - inner\n- two"),
        (BlockKind.TABLE, 0, "| a | b |\n|---|---|\n| 1 | 2 |"),
        (BlockKind.CODE, 0, '```python\nprint("# no heading")\n```'),
    ]
