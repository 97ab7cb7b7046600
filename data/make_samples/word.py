"""Building blocks for word-processor documents: headings, paragraphs and ruled tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

INK = RGBColor(0x12, 0x3B, 0x5D)


def new(title: str, author: str, when: datetime, *, font: str = "Liberation Sans") -> Any:
    """An empty A4 document with the house style."""
    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.3)
    section.top_margin, section.bottom_margin = Cm(2.3), Cm(2.1)
    set_font(document.styles["Normal"], font, 10)
    document.styles["Normal"].paragraph_format.space_after = Pt(6)
    document.styles["Normal"].paragraph_format.line_spacing = 1.1
    for level, size in ((1, 15), (2, 12), (3, 10.5)):
        style = document.styles[f"Heading {level}"]
        set_font(style, font, size)
        style.font.color.rgb = INK
        style.font.bold = True
        style.paragraph_format.space_before = Pt(16 if level == 1 else 11)
        style.paragraph_format.space_after = Pt(4)
    set_font(document.styles["Title"], font, 24)
    document.styles["Title"].font.color.rgb = INK
    core = document.core_properties
    core.title, core.author, core.last_modified_by = title, author, author
    core.created = core.modified = when.replace(tzinfo=None)
    core.comments, core.revision = "", 3
    return document


def set_font(style: Any, font: str, size: float) -> None:
    """Sets a style's font for every script."""
    style.font.name, style.font.size = font, Pt(size)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for name in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
        fonts.set(qn(name), font)
    for name in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
        fonts.attrib.pop(qn(name), None)


def furniture(document: Any, header: str, footer: str) -> None:
    """A running header, and a footer that ends in the page number."""
    section = document.sections[0]
    top = section.header.paragraphs[0]
    top.text = header
    bottom = section.footer.paragraphs[0]
    bottom.add_run(footer + "  |  Page ")
    _page_number(bottom)
    for paragraph in (top, bottom):
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        for run in paragraph.runs:
            run.font.size = Pt(8)
            run.font.color.rgb = RGBColor(0x60, 0x60, 0x60)


def _page_number(paragraph: Any) -> None:
    for kind, text in (("begin", None), (None, "PAGE"), ("end", None)):
        run = paragraph.add_run()
        if kind:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        else:
            element = OxmlElement("w:instrText")
            element.text = text
        run._r.append(element)


def small(document: Any, text: str) -> None:
    """A note in small type, as stands under tables."""
    paragraph = document.add_paragraph()
    run = paragraph.add_run(text)
    run.font.size = Pt(8)
    paragraph.paragraph_format.space_after = Pt(3)


def table(
    document: Any,
    rows: Sequence[Sequence[str]],
    widths: Sequence[float],
    *,
    strong: Sequence[int] = (),
    left: Sequence[int] = (0,),
) -> Any:
    """A table whose first row is the header; numbers stand right, totals under a rule.

    Args:
        document: where it goes.
        rows: cells as printed, header first.
        widths: column widths in centimetres.
        strong: rows that are totals.
        left: columns of text, set flush left.
    """
    grid = document.add_table(rows=len(rows), cols=len(widths))
    grid.alignment, grid.autofit = WD_TABLE_ALIGNMENT.CENTER, False
    for column, width in enumerate(widths):
        grid.columns[column].width = Cm(width)
    for index, row in enumerate(rows):
        for column, text in enumerate(row):
            cell = grid.cell(index, column)
            cell.width = Cm(widths[column])
            _fill(cell, text, column not in left, bold=index == 0 or index in strong)
            _rule(cell, heavy=index == 0 or index + 1 in strong or index in strong)
    header = OxmlElement("w:tblHeader")
    header.set(qn("w:val"), "true")
    grid.rows[0]._tr.get_or_add_trPr().append(header)
    for row in grid.rows:
        row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
    gap = document.add_paragraph()
    gap.paragraph_format.space_after = gap.paragraph_format.space_before = Pt(0)
    gap.paragraph_format.line_spacing = Pt(7)
    return grid


def _fill(cell: Any, text: str, right: bool, *, bold: bool) -> None:
    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.space_after = Pt(1)
    paragraph.paragraph_format.space_before = Pt(1)
    paragraph.paragraph_format.line_spacing = 1.0
    if right:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    run = paragraph.add_run(text)
    run.font.size, run.bold = Pt(8.5), bold


def _rule(cell: Any, *, heavy: bool) -> None:
    borders = OxmlElement("w:tcBorders")
    line = OxmlElement("w:bottom")
    line.set(qn("w:val"), "single")
    line.set(qn("w:sz"), "8" if heavy else "2")
    line.set(qn("w:color"), "123B5D" if heavy else "B8C4CE")
    borders.append(line)
    cell._tc.get_or_add_tcPr().append(borders)


def save(document: Any, path: Path) -> Path:
    """Writes the document and returns where."""
    document.save(str(path))
    return path
