"""Figures that only the annual reports break down; sums are checked against the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .world import STATES, money, year

Row = tuple[str, ...]


def _sum(label: str, rows: Sequence[Sequence[int]]) -> Row:
    return (label, *(money(sum(column)) for column in zip(*rows, strict=True)))


def _lines(names: Sequence[str], rows: Sequence[Sequence[int]]) -> list[Row]:
    return [(name, *map(money, row)) for name, row in zip(names, rows, strict=True)]


_PROVISIONS = {
    2023: ((7_420, 3_460, -2_690, -230, 7_960), (1_690, 890, -620, -120, 1_840),
           (2_370, 740, -610, -120, 2_380)),
    2024: ((7_960, 4_120, -3_310, -280, 8_490), (1_840, 1_510, -960, -150, 2_240),
           (2_380, 1_020, -540, -110, 2_750)),
}  # fmt: skip
_PLANT = {
    2023: ((37_640, 1_430, 1_480, -2_340, 38_210), (48_930, 7_180, 1_610, -8_360, 49_360),
           (11_770, 8_590, -3_090, 0, 17_270)),
    2024: ((38_210, 1_980, 1_240, -2_460, 38_970), (49_360, 9_420, 2_310, -8_950, 52_140),
           (17_270, 12_820, -3_550, 0, 26_540)),
}  # fmt: skip
_STOCK = {2022: (24_180, 28_950, 18_290), 2023: (25_340, 30_120, 18_890), 2024: (26_870, 32_460, 19_610)}
_TERM_LOAN = {2022: (68_000, 16_000), 2023: (60_000, 18_000), 2024: (52_000, 20_000)}
_INTAKE = {
    2022: (171_300, 121_060, 78_840),
    2023: (180_950, 125_310, 84_420),
    2024: (197_480, 128_870, 93_590),
}
_STAFF = {2022: (829, 598, 321, 249), 2023: (842, 611, 338, 267), 2024: (851, 618, 352, 306)}
_TAX = {
    2023: (("Profit before tax", 37_250), ("Expected tax at 24%", 8_940), ("Lower rates abroad", -120),
           ("Expenses not deductible", 480), ("Earlier years", -60)),
    2024: (("Profit before tax", 40_240), ("Expected tax at 25%", 10_060), ("Lower rates abroad", -310),
           ("Expenses not deductible", 420), ("Earlier years", -150)),
}  # fmt: skip
_OTHER = {
    2023: (("Rental income", 610), ("Gains on disposal of machines", 340), ("Grants", 200)),
    2024: (("Insurance payment for the fire at Ellerhude", 1_170), ("Rental income", 620),
           ("Grants", 190), ("Gains on disposal of machines", 140),
           ("Costs of the fire at Ellerhude", -1_140)),
}  # fmt: skip
_PAY = {
    2023: (("Ingrid Halloran", 615, 388), ("Tobias Wennerstrand", 425, 250),
           ("Priya Raghunathan", 382, 221)),
    2024: (("Ingrid Halloran", 640, 412), ("Tobias Wennerstrand (to 30 June)", 215, 120),
           ("Amara Lindqvist-Boateng (from 1 July)", 205, 131), ("Priya Raghunathan", 398, 236)),
}  # fmt: skip
_SUSTAIN = {
    2022: ("43.6", "12,480", "19", "4.1"),
    2023: ("41.8", "11,310", "27", "3.6"),
    2024: ("40.9", "9,870", "38", "3.1"),
}


def _check(number: int) -> None:
    state, flows = STATES[number, 4], year(number)
    for rows, total in ((_PROVISIONS, state.provisions), (_PLANT, state.tangible)):
        assert all(sum(row[:-1]) == row[-1] for row in rows[number])
        assert sum(row[-1] for row in rows[number]) == total
    assert -sum(row[3] for row in _PLANT[number]) == flows.depreciation
    assert sum(row[1] for row in _PLANT[number]) == flows.capex_tangible
    assert sum(_STOCK[number]) == state.inventories
    assert sum(_TERM_LOAN[number]) == state.borrowings
    assert sum(_INTAKE[number]) == flows.intake
    assert sum(_STAFF[number]) == state.employees
    assert sum(value for _, value in _TAX[number][1:]) == flows.tax
    assert _TAX[number][0][1] == flows.before_tax
    assert sum(value for _, value in _OTHER[number]) == flows.other_income


def _two_years(number: int, first: str, names: Sequence[str], data: Any, total: str) -> list[Row]:
    rows = list(zip(data[number], data[number - 1], strict=True))
    head = (first, str(number), str(number - 1))
    return [head, *_lines(names, rows), _sum(total, rows)]


def _details(number: int) -> dict[str, Any]:
    _check(number)
    movement = ("1 January", "Additions", "Used", "Released", "31 December")
    plant = ("1 January", "Additions", "Transfers", "Depreciation", "31 December")
    kinds = ("Warranty", "Late delivery", "Other")
    classes = ("Land and buildings", "Machinery and equipment", "Under construction")
    sites = ("Tarrowby", "Ellerhude", "Suzhou", "Service centres and sales offices")
    stocks = ("Raw materials and castings", "Work in progress", "Finished pumps and spare parts")
    loans = ("Term loan", "Revolving credit facility")
    segments = ("Process Pumps", "Water & Wastewater", "Aftermarket Services")
    tax = [("€ thousand", str(number)), *((name, money(value)) for name, value in _TAX[number])]
    other = [("€ thousand", str(number)), *((name, money(value)) for name, value in _OTHER[number])]
    pay = [("€ thousand", "Salary", "Bonus", "Total")]
    pay += [(name, str(a), str(b), f"{a + b:,}") for name, a, b in _PAY[number]]
    flows = year(number)
    names = ("Energy used (GWh)", "Emissions, scopes 1 and 2 (t CO2)")
    names += ("Share of renewable electricity (%)", "Accidents per million hours worked")
    sustain = [("", str(number), str(number - 1))]
    sustain += list(zip(names, _SUSTAIN[number], _SUSTAIN[number - 1], strict=True))
    return {
        "intake": (
            _two_years(number, "Order intake, € thousand", segments, _INTAKE, "Group"),
            {"strong": (4,)},
        ),
        "staff": (_two_years(number, "Headcount, 31 December", sites, _STAFF, "Group"), {"strong": (5,)}),
        "stock": (_two_years(number, "€ thousand", stocks, _STOCK, "Inventories"), {"strong": (4,)}),
        "loans": (_two_years(number, "€ thousand", loans, _TERM_LOAN, "Borrowings"), {"strong": (3,)}),
        "provisions": (
            [
                ("€ thousand", *movement),
                *_lines(kinds, _PROVISIONS[number]),
                _sum("Total", _PROVISIONS[number]),
            ],
            {"strong": (4,)},
        ),
        "plant": (
            [("€ thousand", *plant), *_lines(classes, _PLANT[number]), _sum("Total", _PLANT[number])],
            {"strong": (4,)},
        ),
        "tax": ([*tax, ("Income tax", money(flows.tax))], {"strong": (len(tax),)}),
        "other": ([*other, ("Total", money(flows.other_income))], {"strong": (len(other),)}),
        "pay": (pay, {}),
        "sustain": (sustain, {}),
    }


DETAILS = {number: _details(number) for number in (2023, 2024)}
