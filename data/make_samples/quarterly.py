"""The three quarterly reports of 2024: word-processor documents, exported to PDF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import programs, word
from .quarterly_text import TEXTS, QuarterText
from .world import FLOWS, SEGMENTS, STATES, Flows, State, change, money, operating_cash, period

_WIDE = (6.4, 2.4, 2.4, 2.4, 2.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quarter:
    number: int
    now: Flows
    then: Flows
    year_to_date: Flows
    year_before: Flows
    state: State
    state_before: State
    year_end: State
    text: QuarterText

    @property
    def name(self) -> str:
        return f"Q{self.number} 2024"

    @property
    def span(self) -> str:
        return {1: "3M", 2: "H1", 3: "9M"}[self.number]


def _quarter(number: int) -> _Quarter:
    return _Quarter(
        number=number,
        now=FLOWS[2024, number],
        then=FLOWS[2023, number],
        year_to_date=period(2024, 1, number),
        year_before=period(2023, 1, number),
        state=STATES[2024, number],
        state_before=STATES[2023, number],
        year_end=STATES[2023, 4],
        text=TEXTS[number],
    )


def write(samples: Path, work: Path) -> None:
    """Writes ``tarrowby-q1-2024.pdf`` to ``tarrowby-q3-2024.pdf``."""
    for number in (1, 2, 3):
        quarter = _quarter(number)
        when = programs.at(quarter.text.written)
        name = f"tarrowby-q{number}-2024"
        source = word.save(_document(quarter, when), work / f"{name}.docx")
        options = (
            'writer_pdf_Export:{"ExportBookmarks":{"type":"boolean","value":"true"},'
            '"UseTaggedPDF":{"type":"boolean","value":"true"}}'
        )
        programs.office(source, samples / f"{name}.pdf", when, filter_options=options)


def _document(quarter: _Quarter, when: Any) -> Any:
    title = f"Quarterly report {quarter.name}"
    document = word.new(f"Tarrowby Pumps plc – {title}", "Group Finance", when)
    word.furniture(document, f"Tarrowby Pumps plc  |  {title}", "Unaudited, in accordance with IAS 34")
    document.add_paragraph("Tarrowby Pumps plc", style="Title")
    document.add_heading(f"{title}: {quarter.text.headline}", 1)
    document.add_paragraph(quarter.text.dateline)
    for point in quarter.text.points:
        document.add_paragraph(point, style="List Bullet")
    document.add_heading("Key figures", 2)
    _key_figures(document, quarter)
    document.add_heading("Statement by the Chief Executive", 2)
    for text in quarter.text.statement:
        document.add_paragraph(text)
    document.add_heading("Business review", 1)
    for heading, texts in quarter.text.review:
        document.add_heading(heading, 2)
        for text in texts:
            document.add_paragraph(text)
    document.add_heading("Outlook", 1)
    for text in quarter.text.outlook:
        document.add_paragraph(text)
    document.add_heading("Condensed interim financial statements", 1)
    document.paragraphs[-1].paragraph_format.page_break_before = True
    _income(document, quarter)
    _segments(document, quarter)
    _balance(document, quarter)
    _cash(document, quarter)
    document.add_heading("Selected notes", 1)
    for heading, text in quarter.text.notes:
        document.add_heading(heading, 3)
        document.add_paragraph(text)
    document.add_heading("Financial calendar", 2)
    rows = [("Date", "Event"), *quarter.text.calendar]
    word.table(document, rows, (4.5, 10), left=(0, 1))
    return document


def _heads(quarter: _Quarter, first: str) -> tuple[str, ...]:
    columns = (quarter.name, f"Q{quarter.number} 2023")
    if quarter.number == 1:
        return (first, *columns, "Change")
    return (first, *columns, f"{quarter.span} 2024", f"{quarter.span} 2023")


def _line(quarter: _Quarter, label: str, value: Any, shown: Any = money) -> tuple[str, ...]:
    now, then = value(quarter.now), value(quarter.then)
    if quarter.number == 1:
        moved = change(now, then) if shown is money and then > 0 else ""
        return (label, shown(now), shown(then), moved)
    both = (value(quarter.year_to_date), value(quarter.year_before))
    return (label, shown(now), shown(then), *(shown(item) for item in both))


def _widths(quarter: _Quarter) -> tuple[float, ...]:
    return _WIDE[: 4 if quarter.number == 1 else 5]


def _key_figures(document: Any, quarter: _Quarter) -> None:
    def text(value: str) -> str:
        return value

    rows = [
        _heads(quarter, "€ thousand unless stated"),
        _line(quarter, "Order intake", lambda f: f.intake),
        _line(quarter, "Revenue", lambda f: f.sales),
        _line(quarter, "Gross profit", lambda f: f.gross),
        _line(quarter, "Operating profit (EBIT)", lambda f: f.ebit),
        _line(quarter, "EBIT margin (%)", lambda f: f.margin, text),
        _line(quarter, "Profit for the period", lambda f: f.profit),
        _line(quarter, "Earnings per share (€)", lambda f: f.eps, text),
    ]
    word.table(document, rows, _widths(quarter))
    now, before, end = quarter.state, quarter.state_before, quarter.year_end
    day = {1: "31 Mar", 2: "30 Jun", 3: "30 Sep"}[quarter.number]
    rows = [
        ("At period end", f"{day} 2024", f"{day} 2023", "31 Dec 2023"),
        *(
            (label, *(money(getattr(state, name)) for state in (now, before, end)))
            for label, name in (
                ("Order book", "order_book"),
                ("Net debt 1)", "net_debt"),
                ("Employees (headcount)", "employees"),
            )
        ),
    ]
    word.table(document, rows, _WIDE[:4])
    word.small(document, "1) Borrowings less cash and cash equivalents; lease liabilities excluded.")


def _income(document: Any, quarter: _Quarter) -> None:
    document.add_heading("Condensed consolidated income statement", 2)
    rows = [
        _heads(quarter, "€ thousand"),
        _line(quarter, "Revenue", lambda f: f.sales),
        _line(quarter, "Cost of sales", lambda f: -f.cost_of_sales),
        _line(quarter, "Gross profit", lambda f: f.gross),
        _line(quarter, "Selling and distribution", lambda f: -f.selling),
        _line(quarter, "Administration", lambda f: -f.administration),
        _line(quarter, "Research and development", lambda f: -f.research),
        _line(quarter, "Other operating income (expense) 2)", lambda f: f.other_income),
        _line(quarter, "Operating profit (EBIT)", lambda f: f.ebit),
        _line(quarter, "Net finance costs", lambda f: -f.finance),
        _line(quarter, "Profit before tax", lambda f: f.before_tax),
        _line(quarter, "Income tax", lambda f: -f.tax),
        _line(quarter, "Profit for the period", lambda f: f.profit),
    ]
    word.table(document, rows, _widths(quarter), strong=(3, 8, 10, 12))
    word.small(document, quarter.text.other_note)
    word.small(document, "Weighted average number of shares: 24,600,000 in all periods shown.")


def _segments(document: Any, quarter: _Quarter) -> None:
    document.add_heading("Segment information", 2)
    rows = [_heads(quarter, "Revenue, € thousand")]
    for index, name in enumerate(SEGMENTS):
        rows.append(_line(quarter, name, lambda f, i=index: f.revenue[i]))
    rows.append(_line(quarter, "Group revenue", lambda f: f.sales))
    word.table(document, rows, _widths(quarter), strong=(4,))
    rows = [_heads(quarter, "Segment result, € thousand")]
    for index, name in enumerate(SEGMENTS):
        rows.append(_line(quarter, name, lambda f, i=index: f.result[i]))
    rows.append(_line(quarter, "Corporate costs 3)", lambda f: -f.corporate))
    rows.append(_line(quarter, "Operating profit (EBIT)", lambda f: f.ebit))
    word.table(document, rows, _widths(quarter), strong=(5,))
    word.small(
        document,
        "3) Head office, group research and the cost of being listed; not allocated to segments.",
    )


def _balance(document: Any, quarter: _Quarter) -> None:
    document.add_heading("Condensed consolidated balance sheet", 2)
    day = {1: "31 Mar 2024", 2: "30 Jun 2024", 3: "30 Sep 2024"}[quarter.number]
    states = (quarter.state, quarter.year_end)

    def line(label: str, name: str) -> tuple[str, ...]:
        return (label, *(money(getattr(state, name)) for state in states))

    rows = [
        ("€ thousand", day, "31 Dec 2023"),
        line("Goodwill", "goodwill"),
        line("Other intangible assets", "intangible"),
        line("Property, plant and equipment", "tangible"),
        line("Inventories", "inventories"),
        line("Trade and other receivables", "receivables"),
        line("Cash and cash equivalents", "cash"),
        line("Total assets", "assets"),
        line("Equity", "equity"),
        line("Borrowings", "borrowings"),
        line("Provisions", "provisions"),
        line("Trade payables", "payables"),
        line("Tax and other liabilities", "other"),
        ("Total equity and liabilities", *(money(s.equity + s.liabilities) for s in states)),
    ]
    word.table(document, rows, (8.2, 3.4, 3.4), strong=(7, 13))


def _cash(document: Any, quarter: _Quarter) -> None:
    document.add_heading("Condensed consolidated cash flow statement", 2)
    pairs = (
        (quarter.year_to_date, STATES[2023, 4], quarter.state),
        (quarter.year_before, STATES[2022, 4], quarter.state_before),
    )

    def line(label: str, value: Any) -> tuple[str, ...]:
        return (label, *(money(value(*pair)) for pair in pairs))

    rows = [
        ("€ thousand", f"{quarter.span} 2024", f"{quarter.span} 2023"),
        line("Profit for the period", lambda f, a, b: f.profit),
        line("Depreciation and amortisation", lambda f, a, b: f.wear),
        line(
            "Change in working capital and provisions",
            lambda f, a, b: operating_cash(f, a, b) - f.profit - f.wear,
        ),
        line("Cash flow from operating activities", lambda f, a, b: operating_cash(f, a, b)),
        line("Capital expenditure", lambda f, a, b: -f.capex),
        line("Dividends paid", lambda f, a, b: -f.dividend),
        line("Change in borrowings", lambda f, a, b: b.borrowings - a.borrowings),
        line("Change in cash", lambda f, a, b: b.cash - a.cash),
        line("Cash at beginning of year", lambda f, a, b: a.cash),
        line("Cash at end of period", lambda f, a, b: b.cash),
    ]
    word.table(document, rows, (8.2, 3.4, 3.4), strong=(4, 8, 10))
