from __future__ import annotations

from pathlib import Path

import pytest

from ingest.parse import parse
from rag.errors import CorruptDocument, EmptyDocument
from rag.types import BlockKind, ParsedDocument


def read(tmp_path: Path, source: str) -> ParsedDocument:
    path = tmp_path / "a.rtf"
    path.write_bytes(source.encode("latin-1"))
    return parse(path, "application/rtf")


def test_paragraphs_headings_tables_and_notes(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        r"{\rtf1\ansi{\fonttbl{\f0\fcharset0 Arial;}}{\stylesheet{\s0 Normal;}}"
        r"{\info{\title The \'84lease\'93}{\author Nobody}}{\header page one}{\*\generator X;}"
        r"\pard\outlinelevel1 The {\b rent}\par\pard First\line second.{\footnote\pard Net.\par}"
        r"\par{\pict\pngblip 89504e470d0a}{\v hidden}"
        r"\trowd\intbl Month\cell Sum\par due\cell\row\trowd\intbl May\cell 1,250\cell\row\pard "
        r'See {\field{\*\fldinst HYPERLINK "x"}{\fldrslt the annex}}.\par}after the end',
    )
    text = document.text
    assert text == (
        "The rent\n\nFirst\nsecond.\n\nMonth | Sum due\nMay | 1,250\n\nSee the annex.\n\nNet."
    )
    assert document.title == "The „lease“"
    assert [(b.kind, b.level, text[b.start : b.end]) for b in document.blocks] == [
        (BlockKind.HEADING, 2, "The rent"),
        (BlockKind.TABLE, 0, "Month | Sum due\nMay | 1,250"),
    ]
    table = document.blocks[1]
    assert [(c.row, c.column, text[c.start : c.end]) for c in table.cells] == [
        (0, 0, "Month"),
        (0, 1, "Sum due"),
        (1, 0, "May"),
        (1, 1, "1,250"),
    ]
    assert document.warnings == ()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2", "Привет"),
        (r"{\fonttbl{\f1\fcharset128 M;}}\f1 \'83e\'83X\'83g", "テスト"),
        (r"\uc1 caf\u233? \u-10179?\u-8704? \uc0\u8364\uc2 \u8364 ab.", "café 😀 €€."),
        (r"\uc1\u8364\'80 5\~000 \{a\\b\}", "€ 5 000 {a\\b}"),
        (r"\mac \'8a", "ä"),
    ],
)
def test_characters(tmp_path: Path, source: str, text: str) -> None:
    assert read(tmp_path, rf"{{\rtf1\ansi {source}}}").text.replace("\u00a0", " ") == text


def test_pictures_cost_little_and_text_behind_them_is_kept(tmp_path: Path) -> None:
    picture = r"{\pict{\*\blipuid 00ff}" + "89504e47\n" * 1_000_000 + "}"
    assert read(tmp_path, rf"{{\rtf1 one {picture} two \bin5 }}}}}}}}}} three}}").text == (
        "one two three"
    )


def test_a_file_that_is_cut_off_is_read_with_a_warning(tmp_path: Path) -> None:
    document = read(tmp_path, r"{\rtf1 {\b cut")
    assert document.text == "cut"
    assert "cut off" in document.warnings[0]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (r"{\rtf1 {\pict 00}}", EmptyDocument),
        (r"{\rtf1 \bin2147483647 abc}", EmptyDocument),
        (r"{\rtf1 " + "{" * 200_000 + "x" + "}" * 200_000 + "}", CorruptDocument),
    ],
    ids=["no text", "a length that lies", "deep"],
)
def test_what_cannot_be_read(tmp_path: Path, source: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(tmp_path, source)
