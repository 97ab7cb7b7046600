"""Slides of the talk to investors on the year 2024, as a PPTX with speaker's notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE, XL_LEGEND_POSITION
from pptx.util import Cm, Pt

from . import programs
from .world import FLOWS, SEGMENTS, money, year

_INK = RGBColor(0x12, 0x3B, 0x5D)
_SLIDES = (
    (
        "2024 in brief",
        (
            "Revenue above €400 million for the first time: €403.3 million, up 6.0%",
            "EBIT margin 11.0%, unchanged in spite of the fire at Ellerhude",
            "Order book of €169.0 million, five months of work",
            "Dividend proposal: €0.50 per share",
        ),
        "Say at once that the fire cost us almost nothing in the year as a whole: 1.14 million out, 1.17 million in.",
    ),
    (
        "Three priorities for 2025",
        (
            "Start the 4 MW test bed at Millrace Works in the second quarter",
            "Launch Linnet 2 in September, with a sensor for cavitation noise and a battery for five years",
            "Open a service centre in Antofagasta, Chile, in the fourth quarter",
        ),
        "If asked about Chile: lease signed, 1,100 square metres, eleven people at first. The investment is €1.9 million.",
    ),
    (
        "Outlook",
        (
            "Revenue 2025: €415–430 million",
            "EBIT margin 2025: 11.2–11.8%",
            "Capital expenditure about €22 million",
            "2027 targets unchanged: €460 million, 12%, a quarter of revenue from service",
        ),
        "Do not comment on the first weeks of trading.",
    ),
)


def write(samples: Path, work: Path) -> None:
    """Writes ``investor-presentation-2024.pptx``."""
    when = programs.at("2025-03-05 09:00")
    deck = Presentation()
    deck.slide_width, deck.slide_height = Cm(33.87), Cm(19.05)
    core = deck.core_properties
    core.title, core.author = "Results 2024 and outlook", "Investor Relations"
    core.last_modified_by = "Investor Relations"
    core.created = core.modified = when.replace(tzinfo=None)
    title = deck.slides.add_slide(deck.slide_layouts[0])
    title.shapes.title.text = "Results 2024 and outlook"
    title.placeholders[
        1
    ].text = "Presentation to investors, 5 March 2025\nAmara Lindqvist-Boateng, Chief Financial Officer"
    _bullets(deck, *_SLIDES[0])
    _chart(deck)
    _table(deck)
    for slide in _SLIDES[1:]:
        _bullets(deck, *slide)
    for slide in deck.slides:
        _style(deck, slide)
    target = samples / "investor-presentation-2024.pptx"
    deck.save(str(target))
    programs.pin(target, when)


def _bullets(deck: Any, heading: str, points: tuple[str, ...], notes: str) -> None:
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = heading
    frame = slide.placeholders[1].text_frame
    frame.text = points[0]
    for point in points[1:]:
        frame.add_paragraph().text = point
    slide.notes_slide.notes_text_frame.text = notes


def _chart(deck: Any) -> None:
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Service grew against the year before in every quarter"
    data = CategoryChartData()
    data.categories = [f"Q{quarter} {number}" for number in (2023, 2024) for quarter in (1, 2, 3, 4)]
    values = [flows.revenue[2] / 1000 for _, flows in sorted(FLOWS.items())]
    data.add_series("Aftermarket Services, revenue in € million", values)
    place = (Cm(2), Cm(4.2), Cm(29.5), Cm(13))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data).chart
    chart.has_legend, chart.has_title = True, False
    chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.BOTTOM, False


def _table(deck: Any) -> None:
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "All segments contributed"
    rows = [("€ thousand", "Revenue 2024", "Revenue 2023", "Result 2024", "Result 2023")]
    now, before = year(2024), year(2023)
    for index, name in enumerate(SEGMENTS):
        cells = (now.revenue[index], before.revenue[index], now.result[index], before.result[index])
        rows.append((name, *map(money, cells)))
    place = (Cm(2), Cm(5), Cm(29.5), Cm(7))
    table = slide.shapes.add_table(len(rows), 5, *place).table
    for row, cells in enumerate(rows):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text


def _style(deck: Any, slide: Any) -> None:
    heading = slide.shapes.title
    for paragraph in heading.text_frame.paragraphs:
        for run in paragraph.runs:
            run.font.color.rgb, run.font.bold, run.font.size = _INK, True, Pt(34)
    # The default layouts are 4:3; spread their placeholders over the wide slide.
    for shape in slide.placeholders:
        if deck.slides.index(slide) == 0:
            top, height = (Cm(5), Cm(4)) if shape == heading else (Cm(10), Cm(4))
        else:
            top, height = (Cm(1), Cm(2.6)) if shape == heading else (Cm(4.4), Cm(12.5))
        shape.left, shape.top, shape.width, shape.height = Cm(2), top, Cm(29.5), height
