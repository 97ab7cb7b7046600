from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.parse.pdf_columns import unwoven
from ingest.parse.pdf_grid import with_grids
from ingest.parse.pdf_lines import Line, Quads, page_lines
from ingest.parse.pdf_rules import Rules
from ingest.parse.pdf_tables import with_tables
from ingest.parse.pdfium import Glyphs
from rag.types import Block, BlockKind, ParsedDocument
from tests.pdfs import line, pdf, prose, rule
from tests.unit.test_parse_pdf import box, read

SENTENCE = "These words are the body of the page and run from one margin to the other one."


def tables(document: ParsedDocument) -> list[Block]:
    return [block for block in document.blocks if block.kind is BlockKind.TABLE]


def grid(document: ParsedDocument, table: Block) -> list[dict[int, str]]:
    """Rows of a table as text by column."""
    rows: list[dict[int, str]] = [{} for _ in range(max(c.row for c in table.cells) + 1)]
    for cell in table.cells:
        assert table.start <= cell.start < cell.end <= table.end
        rows[cell.row][cell.column] = document.text[cell.start : cell.end]
    return rows


def row(y: float, *cells: tuple[float, str]) -> str:
    return "".join(line(x, y, text, size=10) for x, text in cells)


def test_figures_under_one_another_are_a_table_with_a_row_a_line(tmp_path: Path) -> None:
    content = prose(72, 740, [SENTENCE] * 3, size=10)
    content += row(660, (300, "2024"), (400, "2023"))
    content += row(645, (72, "Net sales"), (280, "$"), (300, "1,250"), (380, "$"), (400, "1,180"))
    content += row(630, (72, "Cost of goods sold, less discounts"), (300, "(700)"), (400, "(655)"))
    content += row(619, (72, "granted to customers"))
    content += row(600, (72, "Margin"), (300, "44%"), (400, "44%"))
    content += prose(72, 560, [SENTENCE] * 3, size=10)
    document = read(tmp_path, pdf(content))
    (table,) = tables(document)
    assert document.text[table.start : table.end].split("\n") == [
        "\t2024\t2023",
        "Net sales\t$ 1,250\t$ 1,180",
        "Cost of goods sold, less discounts granted to customers\t(700)\t(655)",
        "Margin\t44%\t44%",
    ]
    assert grid(document, table)[1] == {0: "Net sales", 1: "$ 1,250", 2: "$ 1,180"}
    assert document.text[: table.start].endswith("other one.\n\n")
    assert document.text[table.end :].startswith("\n\nThese words")
    x0, y0, x1, y1 = box(document, "(655)")
    assert 400 / 612 - 0.01 < x0 < x1 < 440 / 612
    assert y0 < 1 - 632 / 792 < y1


def test_rules_tell_cells_apart_whatever_their_lines(tmp_path: Path) -> None:
    xs, ys = (72, 200, 400), (700, 660, 630)
    content = "".join(rule(xs[0], y, xs[-1], y) for y in ys)
    content += "".join(rule(x, ys[0], x, ys[-1]) for x in xs)
    content += row(685, (75, "Work")) + row(
        685, (205, "Inspection of the seals and, if worn, their")
    )
    content += row(672, (205, "replacement on the same day"))
    content += row(645, (75, "Interval")) + row(645, (205, "every three months"))
    document = read(tmp_path, pdf(content))
    (table,) = tables(document)
    assert grid(document, table) == [
        {0: "Work", 1: "Inspection of the seals and, if worn, their replacement on the same day"},
        {0: "Interval", 1: "every three months"},
    ]


def test_prose_in_columns_and_lists_are_no_tables(tmp_path: Path) -> None:
    left = [f"left of the gutter the words run on {k}" for k in range(9)]
    right = [f"and to the right of it they do so too {k}" for k in range(9)]
    columns = "".join(
        line(60, 700 - 14 * k, a) + line(330, 700 - 14 * k, b)
        for k, (a, b) in enumerate(zip(left, right, strict=True))
    )
    items = "".join(row(700 - 20 * k, (72, f"{k}."), (100, SENTENCE)) for k in range(1, 9))
    for content in (columns, items):
        assert not tables(read(tmp_path, pdf(content)))


words = st.lists(
    st.tuples(
        st.integers(40, 500),
        st.integers(60, 780),
        st.sampled_from(
            ["12", "$", "(1,250)", "Net sales", "of", "2024", "words that go on and on"]
        ),
    ),
    max_size=40,
)
strokes = st.lists(st.tuples(*[st.integers(40, 560)] * 3, st.booleans()), max_size=12)


@settings(max_examples=150, deadline=None)
@given(words, strokes)
def test_no_character_is_lost_and_each_keeps_its_place(
    placed: list[tuple[int, int, str]], drawn: list[tuple[int, int, int, bool]]
) -> None:
    lines = page_lines(_glyphs(placed))
    level = [(min(a, b), c, max(a, b), c + 1) for a, b, c, flat in drawn if flat]
    upright = [(c, min(a, b), c + 1, max(a, b)) for a, b, c, flat in drawn if not flat]
    rules = Rules(level=_quads(level), upright=_quads(upright))
    arranged = with_tables(unwoven(with_grids(lines, rules), 612.0))
    assert _characters(arranged) == _characters(lines)
    for each in arranged:
        assert len(each.boxes) == len(each.text)
        for _, start, end in each.cells:
            assert each.text[start:end].strip() == each.text[start:end] != ""


def _characters(lines: list[Line]) -> Counter[tuple[str, float, float]]:
    return Counter(
        (char, float(place[0]), float(place[1]))
        for each in lines
        for char, place in zip(each.text, each.boxes, strict=True)
        if not char.isspace()
    )


def _quads(rows: list[tuple[int, int, int, int]]) -> Quads:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _glyphs(placed: list[tuple[int, int, str]]) -> Glyphs:
    """Characters five points wide and ten high; a line feed after every stretch."""
    codes: list[int] = []
    boxes: list[tuple[int, int, int, int]] = []
    for x, y, text in placed:
        codes += map(ord, text + "\n")
        boxes += [(x + 5 * k, y, x + 5 * k + 5, y + 10) for k in range(len(text))] + [(0, 0, 0, 0)]
    count = len(codes)
    return Glyphs(
        codes=np.array(codes, np.uint32),
        boxes=_quads(boxes),
        written=np.array([code != 10 for code in codes], np.bool_),
        bold=np.zeros(count, np.bool_),
        width=612.0,
        height=792.0,
    )
