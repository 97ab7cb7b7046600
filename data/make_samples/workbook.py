"""The service department's workbook: written by a script, calculated and saved by LibreOffice."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill

from . import programs

_AGREEMENTS = (
    ("Number", "Customer", "Currency", "Annual fee", "Effective", "Response (h)", "Pumps"),
    ("PMA-2023-014", "Pellcombe Water Services Ltd", "GBP", 184_500, date(2023, 3, 1), 8, 6),
    ("PMA-2023-027", "Oudemeer Desalination B.V.", "EUR", 412_000, date(2023, 6, 15), 24, 14),
    ("PMA-2023-041", "Greyfell Chemicals Inc.", "USD", 96_000, date(2023, 10, 1), None, 3),
    ("PMA-2024-002", "Lorong Biru Refining Pte. Ltd.", "SGD", 268_000, date(2024, 1, 8), 12, 26),
)
_CALLS = (
    ("Call", "Date", "Customer", "Tag", "Fault", "Reached after (h)", "Hours of work", "Technician"),
    ("C-24-0091", date(2024, 2, 3), "Pellcombe Water Services Ltd", "PW-04", "Rags in impeller", 5.5, 3.0, "Gwen Harrowgate"),
    ("C-24-0117", date(2024, 2, 19), "Lorong Biru Refining Pte. Ltd.", "LB-22", "Bearing above 95 °C", 2.0, 6.5, "Nurul Hakim"),
    ("C-24-0204", date(2024, 4, 11), "Greyfell Chemicals Inc.", "GC-102", "Seal leaking", 41.0, 5.0, "Curtis Oyelaran"),
    ("C-24-0233", date(2024, 4, 30), "Pellcombe Water Services Ltd", "PW-06", "Motor trips", 9.5, 4.0, "Gwen Harrowgate"),
    ("C-24-0302", date(2024, 6, 11), "Pellcombe Water Services Ltd", "PW-03", "Seal leaking", 6.0, 4.5, "Gwen Harrowgate"),
    ("C-24-0388", date(2024, 8, 2), "Lorong Biru Refining Pte. Ltd.", "LB-07", "Vibration 5.2 mm/s", 3.0, 7.0, "Nurul Hakim"),
    ("C-24-0419", date(2024, 9, 14), "Lorong Biru Refining Pte. Ltd.", "LB-25", "Seal leaking", 11.0, 8.0, "Nurul Hakim"),
    ("C-24-0476", date(2024, 10, 22), "Oudemeer Desalination B.V.", "OD-05", "Vibration 4.9 mm/s", 19.0, 9.5, "Pieter Hoekzema"),
    ("C-24-0511", date(2024, 11, 28), "Oudemeer Desalination B.V.", "OD-11", "Coupling misaligned", 22.5, 6.0, "Pieter Hoekzema"),
    ("C-24-0533", date(2024, 12, 17), "Greyfell Chemicals Inc.", "GC-101", "Noise like gravel", 30.0, 3.5, "Curtis Oyelaran"),
)  # fmt: skip
_PARTS = (
    ("Part", "Description", "Model", "List price (€)", "In stock", "Reorder at"),
    ("MS-45", "Mechanical seal 45 mm", "TX-125", 705.00, 38, 20),
    ("MS-70", "Mechanical seal 70 mm, batch SK-2405", "TX-200", 1_480.00, 64, 40),
    ("WR-125-B", "Wear ring, bronze", "TX-125", 171.00, 112, 60),
    ("WR-200-B", "Wear ring, bronze", "TX-200", 394.00, 17, 20),
    ("IM-125-G", "Impeller, grey cast iron", "TX-125", 905.00, 23, 15),
    ("BR-6311", "Bearing, drive end", "TX-125", 86.00, 240, 100),
    ("LN-1", "Linnet monitoring unit", "all", 1_150.00, 57, 30),
    ("LN-EX", "Linnet-Ex monitoring unit", "all", 1_690.00, 4, 10),
)


def write(samples: Path, work: Path) -> None:
    """Writes ``service-register-2024.xlsx`` with four sheets and calculated formulas."""
    when = programs.at("2025-01-10 11:40")
    book = Workbook()
    book.properties.creator = book.properties.lastModifiedBy = "Service Department"
    book.properties.title = "Service register 2024"
    book.properties.created = book.properties.modified = when.replace(tzinfo=None)
    first = book.active
    first.title = "Agreements"
    _fill(first, _AGREEMENTS, (16, 32, 10, 12, 12, 14, 8))
    _fill(book.create_sheet("Calls 2024"), _CALLS, (12, 12, 32, 8, 22, 18, 14, 18))
    _fill(book.create_sheet("Parts"), _PARTS, (12, 38, 10, 15, 10, 12))
    _summary(book.create_sheet("Summary"), len(_CALLS), len(_PARTS))
    source = work / "service-register-2024.xlsx"
    book.save(source)
    programs.office(source, samples / source.name, when)


def _fill(sheet: Any, rows: tuple[tuple[Any, ...], ...], widths: tuple[int, ...]) -> None:
    for row in rows:
        sheet.append(row)
    for cell, width in zip(sheet[1], widths, strict=True):
        cell.font, cell.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", start_color="123B5D")
        cell.alignment = Alignment(wrap_text=True)
        sheet.column_dimensions[cell.column_letter].width = width
    for row in sheet.iter_rows(min_row=2):
        for cell in row:
            if isinstance(cell.value, date):
                cell.number_format = "yyyy-mm-dd"
            elif isinstance(cell.value, int) and cell.value >= 1000:
                cell.number_format = "#,##0"
            elif isinstance(cell.value, float):
                cell.number_format = "#,##0.00" if cell.value > 50 else "0.0"
    sheet.freeze_panes = "A2"


def _summary(sheet: Any, calls: int, parts: int) -> None:
    rows = [
        ("Figure", "Value"),
        ("Calls in 2024", f"=COUNTA('Calls 2024'!A2:A{calls})"),
        ("Hours of work", f"=SUM('Calls 2024'!G2:G{calls})"),
        ("Mean time until reached (h)", f"=ROUND(AVERAGE('Calls 2024'!F2:F{calls}),2)"),
        ("Calls for leaking seals", f"=COUNTIF('Calls 2024'!E2:E{calls},\"Seal leaking\")"),
        ("Pumps under agreement", "=SUM(Agreements!G2:G5)"),
        ("Value of parts in stock (€)", f"=SUMPRODUCT(Parts!D2:D{parts},Parts!E2:E{parts})"),
    ]
    for row in rows:
        sheet.append(row)
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 34, 14
    sheet["B7"].number_format = "#,##0.00"
