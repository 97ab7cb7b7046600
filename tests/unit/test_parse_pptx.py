from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.parse import detect, parse
from rag.errors import CorruptDocument, EmptyDocument
from rag.types import BlockKind, ParsedDocument

TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
PLACE = (Inches(1), Inches(1), Inches(4), Inches(2))


@pytest.fixture
def deck() -> Any:
    return Presentation()


def read(deck: Any, tmp_path: Path) -> ParsedDocument:
    path = tmp_path / "deck"
    deck.save(path)
    assert detect(path, "deck.docx", None) == TYPE
    return parse(path, TYPE)


def slide(deck: Any, title: str, layout: int = 5) -> Any:
    new = deck.slides.add_slide(deck.slide_layouts[layout])
    new.shapes.title.text = title
    return new


def page(document: ParsedDocument, number: int) -> str:
    found = document.pages[number - 1]
    assert found.number == number
    return document.text[found.start : found.end].strip()


def test_slides_are_pages(deck: Any, tmp_path: Path) -> None:
    opening = slide(deck, "Results", layout=0)
    opening.placeholders[1].text = "Investors, 5 March"
    points = slide(deck, "Three points", layout=1)
    frame = points.placeholders[1].text_frame
    frame.text = "Revenue up"
    frame.add_paragraph().text = "Costs down"
    points.notes_slide.notes_text_frame.text = "Smile.\nThen pause."
    document = read(deck, tmp_path)
    assert page(document, 1) == "Results\n\nInvestors, 5 March"
    assert page(document, 2) == (
        "Three points\n\n- Revenue up\n- Costs down\n\nSpeaker notes:\nSmile.\nThen pause."
    )
    assert document.title == "Results"
    assert [(p.width, p.height, p.boxes) for p in document.pages] == [(720, 540, b"")] * 2
    found = [(b.kind, b.level, document.text[b.start : b.end]) for b in document.blocks]
    assert found == [
        (BlockKind.HEADING, 1, "Results"),
        (BlockKind.HEADING, 2, "Three points"),
        (BlockKind.LIST, 0, "- Revenue up\n- Costs down"),
    ]


def test_cells_of_tables_and_charts(deck: Any, tmp_path: Path) -> None:
    table = slide(deck, "Table").shapes.add_table(2, 2, *PLACE).table
    for row, texts in enumerate((("", "2024"), ("Pumps", "184,060"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    data = CategoryChartData(number_format="0%")
    data.categories = ["Q1", "Q2"]
    data.add_series("Share", (0.25, None))
    data.add_series("Rest", (0.75, 0.5))
    chart = (
        slide(deck, "Chart").shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *PLACE, data).chart
    )
    chart.has_title = True
    chart.chart_title.text_frame.text = "Who sells"
    document = read(deck, tmp_path)
    assert page(document, 1) == "Table\n\n | 2024\nPumps | 184,060"
    assert page(document, 2) == "Chart\n\nWho sells\n\n | Share | Rest\nQ1 | 25% | 75%\nQ2 |  | 50%"
    tables = [block for block in document.blocks if block.kind is BlockKind.TABLE]
    assert [
        {(c.row, c.column): document.text[c.start : c.end] for c in table.cells} for table in tables
    ] == [
        {(0, 0): "", (0, 1): "2024", (1, 0): "Pumps", (1, 1): "184,060"},
        {(0, 0): "", (0, 1): "Share", (0, 2): "Rest", (1, 0): "Q1", (1, 1): "25%", (1, 2): "75%"}
        | {(2, 0): "Q2", (2, 1): "", (2, 2): "50%"},
    ]


def test_groups_numbers_and_hidden_slides(deck: Any, tmp_path: Path) -> None:
    grouped = slide(deck, "Grouped")
    inner = grouped.shapes.add_group_shape().shapes.add_group_shape()
    box = inner.shapes.add_textbox(*PLACE)
    box.text_frame.text = "in two groups"
    for text in ("first", "second"):
        paragraph = box.text_frame.add_paragraph()
        paragraph.text = text
        bullet = {"type": "alphaUcPeriod", "startAt": "3"}
        properties = paragraph._p.get_or_add_pPr()
        properties.append(properties.makeelement(TAG.format("buAutoNum"), bullet))
    grouped._element.set("show", "0")
    slide(deck, "")
    document = read(deck, tmp_path)
    assert page(document, 1) == "Grouped\n\nin two groups\n\nC. first\nD. second"
    assert page(document, 2) == ""
    assert document.warnings == (
        "hidden in the presentation, but read: slide 1",
        "no text (empty, or pictures only): slide 2",
    )


TAG = "{{http://schemas.openxmlformats.org/drawingml/2006/main}}{}"


def test_damaged(deck: Any, tmp_path: Path) -> None:
    slide(deck, "")
    with pytest.raises(EmptyDocument, match="no text"):
        read(deck, tmp_path)
    slide(deck, "Second")
    path = tmp_path / "deck"
    deck.save(path)
    kept = tmp_path / "kept"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(kept, "w") as target:
        for name in source.namelist():
            if name != "ppt/slides/slide1.xml":
                target.writestr(name, source.read(name))
    document = parse(kept, TYPE)
    assert document.text == "Second"
    assert document.warnings == ("damaged and left out: slide 1",)
    kept.write_bytes(path.read_bytes()[:3000])
    assert detect(kept, "deck.pptx", None) == TYPE
    with pytest.raises(CorruptDocument, match="presentation is damaged"):
        parse(kept, TYPE)
