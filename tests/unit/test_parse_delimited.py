from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import delimited, parse
from ingest.parse.delimited import MOST_CELLS, detect_delimiter
from rag.types import Block, BlockKind, ParsedDocument


def read(tmp_path: Path, source: str) -> ParsedDocument:
    path = tmp_path / "a.csv"
    path.write_bytes(source.encode())
    return parse(path, "text/csv")


def rows(text: str, block: Block) -> list[list[str]]:
    grid: dict[int, list[str]] = {}
    for cell in block.cells:
        assert cell.column == len(grid.setdefault(cell.row, []))
        grid[cell.row].append(text[cell.start : cell.end])
    return list(grid.values())


def test_cells_are_spans_of_the_unchanged_text(tmp_path: Path) -> None:
    source = 'name, sum\r\n"Lozano, Dr",  12 \r\n\r\n"two\nlines","say ""yes"""\r\nshort\r\n'
    document = read(tmp_path, source)
    assert document.text == source
    (table,) = document.blocks
    assert (table.kind, table.start, source[table.end :]) == (BlockKind.TABLE, 0, "\r\n")
    assert rows(source, table) == [
        ["name", "sum"],
        ["Lozano, Dr", "12"],
        ["two\nlines", 'say ""yes""'],
        ["short"],
    ]


_VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff"), max_size=12)


@given(
    table=st.lists(st.lists(_VALUES, min_size=3, max_size=3), min_size=2, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_every_cell_that_was_written_is_found(
    table: list[list[str]], delimiter: str, ending: str
) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows(
        table
    )
    text = out.getvalue()
    blocks = delimited.tables(text, 0, delimiter)
    found = [[cell.replace('""', '"') for cell in row] for row in rows(text, blocks[0])]
    assert found == table


@pytest.mark.parametrize(
    ("source", "delimiter"),
    [
        ("a;b\n1,5;2,5\n3,25;4\n", ";"),
        ("a\tb, c\n1\t2, 3\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ('name,note\nx,"a;b;c"\ny,"d;e;f"\n', ","),
        ("Industry\nAutomotive\nRetail\n", None),
    ],
)
def test_the_delimiter_is_the_one_that_fits(source: str, delimiter: str | None) -> None:
    assert detect_delimiter(source) == delimiter


def test_excel_names_its_delimiter(tmp_path: Path) -> None:
    document = read(tmp_path, "sep=|\na|b,c\n")
    assert rows(document.text, document.blocks[0]) == [["a", "b,c"]]


def test_a_huge_table_has_cells_up_to_a_bound_and_says_so(tmp_path: Path) -> None:
    source = "\n".join(f"{number},x" for number in range(MOST_CELLS))
    first, rest = (document := read(tmp_path, source)).blocks
    assert len(first.cells) == MOST_CELLS
    assert rest.cells == ()
    assert source[rest.start : rest.end] == source[first.end + 1 :]
    assert "25,000 rows" in document.warnings[0]


@pytest.mark.parametrize(
    "source",
    ["," * 900_000, 'a,"' + "x\n" * 600_000, 'a,"x\n' * 100_000, '"' * 300_001, "\ta\n\t\t"],
    ids=["one row", "open quote", "many quotes", "only quotes", "empty cells"],
)
def test_odd_tables_end_in_their_text(tmp_path: Path, source: str) -> None:
    assert read(tmp_path, source).text == source
