"""The annual reports 2023 and 2024, typeset with pdfLaTeX.

The words are in ``text/annual-2023.tex`` and ``text/annual-2024.tex``; each line ``@@name@@``
there is replaced by the table of that name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from . import programs
from .annual_figures import DETAILS
from .world import (
    BY_REGION,
    FLOWS,
    REGIONS,
    SEGMENTS,
    STATES,
    Flows,
    State,
    change,
    money,
    operating_cash,
    year,
)

_TEXTS = Path(__file__).parent / "text"
_WRITTEN = {2023: "2024-03-06 06:00", 2024: "2025-03-05 06:00"}
_PREAMBLE = r"""
\documentclass[10pt,a4paper,twoside]{article}
\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{lmodern}\usepackage{textcomp}
\usepackage[british]{babel}
\usepackage[a4paper,margin=27mm,headheight=14pt]{geometry}
\usepackage{booktabs,array,longtable,xcolor,fancyhdr,microtype}
\definecolor{ink}{HTML}{123B5D}
\makeatletter
\renewcommand\section{\@startsection{section}{1}{0pt}{-18pt}{7pt}{\Large\bfseries\color{ink}}}
\renewcommand\subsection{\@startsection{subsection}{2}{0pt}{-12pt}{4pt}{\large\bfseries\color{ink}}}
\makeatother
\pagestyle{fancy}\fancyhf{}
\fancyhead[LE,RO]{\small Tarrowby Pumps plc}\fancyhead[RE,LO]{\small\nouppercase{\leftmark}}
\fancyfoot[LE,RO]{\small\thepage}\fancyfoot[RE,LO]{\small Annual Report YEAR}
\renewcommand{\headrulewidth}{0.3pt}
\setlength{\parindent}{0pt}\setlength{\parskip}{5pt plus 2pt}
\pdftrailerid{tarrowby-YEAR}
\usepackage[hidelinks,bookmarksnumbered,pdftitle={Tarrowby Pumps plc: Annual Report YEAR},
pdfauthor={Tarrowby Pumps plc},pdfsubject={Consolidated financial statements and management report}]{hyperref}
\newcommand{\unit}[1]{\textit{\small #1}}
\begin{document}
"""


def write(samples: Path, work: Path) -> None:
    """Writes ``tarrowby-annual-report-2023.pdf`` and ``-2024.pdf``."""
    for number, written in _WRITTEN.items():
        tables = _tables(number)
        text = (_TEXTS / f"annual-{number}.tex").read_text(encoding="utf-8")
        body = re.sub(r"^@@(\w+)@@$", lambda m, t=tables: t[m[1]](), text, flags=re.MULTILINE)
        source = _PREAMBLE.replace("YEAR", str(number)) + body + "\n\\end{document}\n"
        target = samples / f"tarrowby-annual-report-{number}.pdf"
        programs.latex(source, target, programs.at(written))


def _escape(text: str) -> str:
    return text.replace("&", r"\&").replace("%", r"\%").replace("\N{MINUS SIGN}", "$-$")


def tabular(rows: Sequence[Sequence[str]], *, strong: Sequence[int] = (), columns: str = "") -> str:
    """A ruled table whose first row is the header; ``strong`` rows are totals."""
    layout = columns or "l" + "r" * (len(rows[0]) - 1)
    lines = [r"\begin{center}\small", rf"\begin{{tabular}}{{{layout}}}", r"\toprule"]
    for index, row in enumerate(rows):
        cells = [_escape(cell) for cell in row]
        if index == 0 or index in strong:
            cells = [rf"\textbf{{{cell}}}" if cell else "" for cell in cells]
        lines.append(" & ".join(cells) + r" \\")
        if index == 0 or index in strong:
            lines.append(r"\midrule" if index + 1 < len(rows) else "")
    return "\n".join([*filter(None, lines), r"\bottomrule", r"\end{tabular}\end{center}"])


def _tables(number: int) -> dict[str, Callable[[], str]]:
    now, before = year(number), year(number - 1)
    end, start = STATES[number, 4], STATES[number - 1, 4]
    details = DETAILS[number]
    fixed = {name: (lambda rows=rows: tabular(*rows[:1], **rows[1])) for name, rows in details.items()}
    return fixed | {
        "glance": lambda: _glance(number, (now, before), (end, start)),
        "regions": lambda: _regions(number),
        "segments": lambda: _segments(number, now, before),
        "income": lambda: _income(number, now, before),
        "balance": lambda: _balance(number, end, start),
        "cash": lambda: _cash(number),
        "equity": lambda: _equity(number),
        "quarters": lambda: _quarters(number),
    }


def _years(number: int, first: str) -> tuple[str, ...]:
    return (first, str(number), str(number - 1))


def _glance(number: int, flows: tuple[Flows, Flows], states: tuple[State, State]) -> str:
    def flow(label: str, value: Callable[[Flows], int]) -> tuple[str, ...]:
        now, before = value(flows[0]), value(flows[1])
        return (label, money(now), money(before), change(now, before))

    def state(label: str, value: Callable[[State], int]) -> tuple[str, ...]:
        now, before = value(states[0]), value(states[1])
        return (label, money(now), money(before), change(now, before))

    rows = [
        (*_years(number, "€ thousand unless stated"), "Change"),
        flow("Order intake", lambda f: f.intake),
        flow("Revenue", lambda f: f.sales),
        flow("Gross profit", lambda f: f.gross),
        flow("Operating profit (EBIT)", lambda f: f.ebit),
        ("EBIT margin (%)", flows[0].margin, flows[1].margin, ""),
        flow("Profit for the year", lambda f: f.profit),
        ("Earnings per share (€)", flows[0].eps, flows[1].eps, ""),
        flow("Capital expenditure", lambda f: f.capex),
        state("Order book, 31 December", lambda s: s.order_book),
        state("Net debt, 31 December", lambda s: s.net_debt),
        state("Equity, 31 December", lambda s: s.equity),
        state("Employees, 31 December", lambda s: s.employees),
    ]
    return tabular(rows)


def _regions(number: int) -> str:
    now, before = BY_REGION[number], BY_REGION[number - 1]
    rows = [(*_years(number, "Revenue by customer location, € thousand"), "Change")]
    for name, new, old in zip(REGIONS, now, before, strict=True):
        rows.append((name, money(new), money(old), change(new, old)))
    rows.append(("Group", money(sum(now)), money(sum(before)), change(sum(now), sum(before))))
    return tabular(rows, strong=(5,))


def _segments(number: int, now: Flows, before: Flows) -> str:
    rows = [("€ thousand", *(f"{kind} {y}" for kind in ("Revenue", "Result") for y in (number, number - 1)))]
    for index, name in enumerate(SEGMENTS):
        values = (now.revenue[index], before.revenue[index], now.result[index], before.result[index])
        rows.append((name, *map(money, values)))
    rows.append(("Corporate costs", "", "", money(-now.corporate), money(-before.corporate)))
    rows.append(("Group", *map(money, (now.sales, before.sales, now.ebit, before.ebit))))
    return tabular(rows, strong=(5,))


def _income(number: int, now: Flows, before: Flows) -> str:
    def line(label: str, value: Callable[[Flows], int]) -> tuple[str, ...]:
        return (label, money(value(now)), money(value(before)))

    rows = [
        _years(number, "€ thousand"),
        line("Revenue", lambda f: f.sales),
        line("Cost of sales", lambda f: -f.cost_of_sales),
        line("Gross profit", lambda f: f.gross),
        line("Selling and distribution", lambda f: -f.selling),
        line("Administration", lambda f: -f.administration),
        line("Research and development", lambda f: -f.research),
        line("Other operating income and expense (note 4)", lambda f: f.other_income),
        line("Operating profit (EBIT)", lambda f: f.ebit),
        line("Net finance costs", lambda f: -f.finance),
        line("Profit before tax", lambda f: f.before_tax),
        line("Income tax (note 6)", lambda f: -f.tax),
        line("Profit for the year", lambda f: f.profit),
        ("Earnings per share, basic and diluted (€)", now.eps, before.eps),
    ]
    return tabular(rows, strong=(3, 8, 10, 12))


def _balance(number: int, end: State, start: State) -> str:
    def line(label: str, value: Callable[[State], int]) -> tuple[str, ...]:
        return (label, money(value(end)), money(value(start)))

    rows = [
        ("€ thousand", f"31 Dec {number}", f"31 Dec {number - 1}"),
        line("Goodwill", lambda s: s.goodwill),
        line("Other intangible assets", lambda s: s.intangible),
        line("Property, plant and equipment (note 8)", lambda s: s.tangible),
        line("Non-current assets", lambda s: s.goodwill + s.intangible + s.tangible),
        line("Inventories (note 9)", lambda s: s.inventories),
        line("Trade and other receivables", lambda s: s.receivables),
        line("Cash and cash equivalents", lambda s: s.cash),
        line("Current assets", lambda s: s.inventories + s.receivables + s.cash),
        line("Total assets", lambda s: s.assets),
        line("Equity", lambda s: s.equity),
        line("Borrowings (note 11)", lambda s: s.borrowings),
        line("Provisions (note 10)", lambda s: s.provisions),
        line("Trade payables", lambda s: s.payables),
        line("Tax and other liabilities", lambda s: s.other),
        line("Total liabilities", lambda s: s.liabilities),
        line("Total equity and liabilities", lambda s: s.equity + s.liabilities),
    ]
    return tabular(rows, strong=(4, 8, 9, 15, 16))


def _cash(number: int) -> str:
    trio = (year(number), STATES[number - 1, 4], STATES[number, 4])
    flows, start, end = trio
    operating = operating_cash(*trio)
    rows = [
        ("€ thousand", str(number)),
        ("Profit for the year", money(flows.profit)),
        ("Depreciation and amortisation", money(flows.wear)),
        ("Change in working capital and provisions", money(operating - flows.profit - flows.wear)),
        ("Cash flow from operating activities", money(operating)),
        ("Purchase of property, plant and equipment", money(-flows.capex_tangible)),
        ("Purchase of intangible assets", money(-flows.capex_intangible)),
        ("Free cash flow", money(operating - flows.capex)),
        ("Dividends paid", money(-flows.dividend)),
        ("Change in borrowings", money(end.borrowings - start.borrowings)),
        ("Change in cash", money(end.cash - start.cash)),
        ("Cash at beginning of year", money(start.cash)),
        ("Cash at end of year", money(end.cash)),
    ]
    return tabular(rows, strong=(4, 7, 10, 12))


def _equity(number: int) -> str:
    flows, start, end = year(number), STATES[number - 1, 4], STATES[number, 4]
    capital, premium = 24_600, 31_450
    paid_in = (money(capital), money(premium))
    retained = start.equity - capital - premium
    rows = [
        ("€ thousand", "Share capital", "Share premium", "Retained earnings", "Total"),
        (f"1 January {number}", *paid_in, money(retained), money(start.equity)),
        ("Profit for the year", "", "", money(flows.profit), money(flows.profit)),
        ("Dividend", "", "", money(-flows.dividend), money(-flows.dividend)),
        (
            f"31 December {number}",
            *paid_in,
            money(retained + flows.profit - flows.dividend),
            money(end.equity),
        ),
    ]
    return tabular(rows, strong=(4,))


def _quarters(number: int) -> str:
    four = [FLOWS[number, quarter] for quarter in (1, 2, 3, 4)]
    total = year(number)
    rows = [("€ thousand", "Q1", "Q2", "Q3", "Q4", f"Year {number}")]

    def line(label: str, value: Callable[[Flows], int]) -> None:
        rows.append((label, *(money(value(item)) for item in (*four, total))))

    line("Order intake", lambda f: f.intake)
    for index, name in enumerate(SEGMENTS):
        line(f"Revenue, {name}", lambda f, i=index: f.revenue[i])
    line("Revenue", lambda f: f.sales)
    line("Gross profit", lambda f: f.gross)
    line("Operating profit (EBIT)", lambda f: f.ebit)
    rows.append(("EBIT margin (%)", *(item.margin for item in (*four, total))))
    line("Profit for the period", lambda f: f.profit)
    rows.append(("Earnings per share (€)", *(item.eps for item in (*four, total))))
    return tabular(rows, strong=(5,))
