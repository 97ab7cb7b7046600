"""The figures of the invented group, in thousands of euro, from which every report is printed.

Only what a company would book is written down here; totals, cash and equity follow from it,
so that segments add up to the group, quarters to the year, and the balance sheet balances.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import reduce

COMPANY = "Tarrowby Pumps plc"
SEGMENTS = ("Process Pumps", "Water & Wastewater", "Aftermarket Services")
SHARES = 24_600  # thousands
DIVIDEND_CENTS = {2022: 42, 2023: 46}  # per share, paid in the year after


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """What happens during a period. Costs and payments are positive numbers."""

    revenue: tuple[int, int, int]
    result: tuple[int, int, int]
    corporate: int
    selling: int
    administration: int
    research: int
    other_income: int
    finance: int
    tax: int
    intake: int
    depreciation: int = 0
    amortisation: int = 0
    capex_tangible: int = 0
    capex_intangible: int = 0
    dividend: int = 0

    def __add__(self, other: Flows) -> Flows:
        """Two periods together."""
        total = {}
        for item in fields(self):
            left, right = getattr(self, item.name), getattr(other, item.name)
            if isinstance(left, tuple):
                total[item.name] = tuple(a + b for a, b in zip(left, right, strict=True))
            else:
                total[item.name] = left + right
        return Flows(**total)

    @property
    def sales(self) -> int:
        """Revenue of all segments."""
        return sum(self.revenue)

    @property
    def ebit(self) -> int:
        """Operating profit: segment results less corporate costs."""
        return sum(self.result) - self.corporate

    @property
    def cost_of_sales(self) -> int:
        """What is left between revenue and operating profit after the other lines."""
        overhead = self.selling + self.administration + self.research
        return self.sales - overhead + self.other_income - self.ebit

    @property
    def gross(self) -> int:
        """Gross profit."""
        return self.sales - self.cost_of_sales

    @property
    def before_tax(self) -> int:
        """Profit before tax."""
        return self.ebit - self.finance

    @property
    def profit(self) -> int:
        """Profit for the period."""
        return self.before_tax - self.tax

    @property
    def wear(self) -> int:
        """Depreciation and amortisation together."""
        return self.depreciation + self.amortisation

    @property
    def capex(self) -> int:
        """Capital expenditure, tangible and intangible."""
        return self.capex_tangible + self.capex_intangible

    @property
    def eps(self) -> str:
        """Earnings per share in euro, two decimals."""
        return f"{self.profit / SHARES:.2f}"

    @property
    def margin(self) -> str:
        """Operating margin in per cent, one decimal."""
        return f"{100 * self.ebit / self.sales:.1f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where the group stands at the end of a period."""

    goodwill: int
    intangible: int
    tangible: int
    inventories: int
    receivables: int
    cash: int
    payables: int
    provisions: int
    other: int
    borrowings: int
    equity: int
    order_book: int
    employees: int

    @property
    def assets(self) -> int:
        """Total assets."""
        fixed = self.goodwill + self.intangible + self.tangible
        return fixed + self.inventories + self.receivables + self.cash

    @property
    def liabilities(self) -> int:
        """Total liabilities."""
        return self.payables + self.provisions + self.other + self.borrowings

    @property
    def net_debt(self) -> int:
        """Borrowings less cash."""
        return self.borrowings - self.cash


# Period ends: inventories, receivables, payables, provisions, other liabilities, borrowings,
# employees.
_CLOSING = {
    (2023, 1): (73_180, 66_420, 44_870, 11_520, 13_640, 84_000, 2_014),
    (2023, 2): (75_240, 70_180, 47_310, 11_610, 14_120, 82_000, 2_031),
    (2023, 3): (76_910, 72_350, 48_020, 11_740, 14_480, 80_000, 2_046),
    (2023, 4): (74_350, 76_110, 51_640, 12_180, 15_310, 78_000, 2_058),
    (2024, 1): (77_120, 69_870, 47_980, 12_050, 14_460, 76_000, 2_071),
    (2024, 2): (79_460, 75_340, 50_220, 12_240, 15_020, 76_000, 2_089),
    (2024, 3): (82_300, 77_920, 53_460, 13_910, 15_390, 78_000, 2_104),
    (2024, 4): (78_940, 83_460, 56_750, 13_480, 16_240, 72_000, 2_127),
}
_QUARTERS = {
    (2023, 1): ((41_320, 28_450, 19_870), (5_210, 2_410, 3_870), 1_980, 8_910, 6_120, 2_980, 240,
                1_120, 2_080, 95_210, 2_620, 620, 2_860, 410, 0),
    (2023, 2): ((43_710, 30_120, 20_340), (5_640, 2_690, 4_010), 2_050, 9_180, 6_240, 3_060, 310,
                1_140, 2_270, 92_480, 2_640, 620, 4_120, 450, 10_332),
    (2023, 3): ((42_980, 31_060, 20_910), (5_480, 2_820, 4_150), 2_010, 9_240, 6_210, 3_110, 180,
                1_150, 2_300, 98_340, 2_680, 630, 3_980, 430, 0),
    (2023, 4): ((47_250, 32_480, 22_150), (6_350, 2_980, 4_460), 2_240, 9_760, 6_480, 3_290, 420,
                1_130, 2_590, 104_650, 2_760, 630, 6_240, 520, 0),
    (2024, 1): ((43_905, 27_980, 21_640), (5_690, 1_960, 4_320), 2_110, 9_260, 6_310, 3_240, 210,
                1_090, 2_190, 101_870, 2_780, 640, 3_150, 460, 0),
    (2024, 2): ((46_280, 31_415, 22_385), (6_130, 2_540, 4_530), 2_180, 9_680, 6_420, 3_380, 340,
                1_060, 2_480, 97_240, 2_810, 640, 5_480, 480, 11_316),
    (2024, 3): ((44_115, 33_270, 23_180), (5_470, 2_910, 4_710), 2_140, 9_720, 6_450, 3_460, -860,
                1_040, 2_470, 108_350, 2_870, 650, 7_260, 510, 0),
    (2024, 4): ((49_760, 34_905, 24_470), (6_780, 3_160, 5_060), 2_390, 10_310, 6_720, 3_690, 1_290,
                1_010, 2_880, 112_480, 2_950, 660, 8_330, 550, 0),
}  # fmt: skip
_NAMES = [item.name for item in fields(Flows)]
FLOWS = {when: Flows(**dict(zip(_NAMES, row, strict=True))) for when, row in _QUARTERS.items()}
YEAR_2022 = Flows(
    revenue=(166_480, 118_350, 78_010), result=(20_940, 9_860, 14_720), corporate=7_710,
    selling=35_640, administration=24_180, research=11_450, other_income=960, finance=4_680,
    tax=8_120, intake=371_200, depreciation=10_180, amortisation=2_440, capex_tangible=14_960,
    capex_intangible=1_720, dividend=9_348,
)  # fmt: skip
_OPENING = State(
    goodwill=41_200, intangible=16_850, tangible=98_340, inventories=71_420, receivables=68_910,
    cash=27_365, payables=46_230, provisions=11_480, other=14_205, borrowings=84_000,
    equity=168_170, order_book=142_300, employees=1_997,
)  # fmt: skip


def working_capital_change(before: State, after: State) -> int:
    """Cash released (positive) or tied up (negative) in working capital and provisions."""
    released = before.inventories - after.inventories + before.receivables - after.receivables
    owed = (after.payables + after.provisions + after.other) - (
        before.payables + before.provisions + before.other
    )
    return released + owed


def operating_cash(flows: Flows, before: State, after: State) -> int:
    """Cash flow from operating activities."""
    return flows.profit + flows.wear + working_capital_change(before, after)


def _next(before: State, when: tuple[int, int]) -> State:
    flows = FLOWS[when]
    stock, receivables, payables, provisions, other, borrowings, employees = _CLOSING[when]
    known = State(
        goodwill=before.goodwill,
        intangible=before.intangible + flows.capex_intangible - flows.amortisation,
        tangible=before.tangible + flows.capex_tangible - flows.depreciation,
        inventories=stock,
        receivables=receivables,
        cash=0,
        payables=payables,
        provisions=provisions,
        other=other,
        borrowings=borrowings,
        equity=before.equity + flows.profit - flows.dividend,
        order_book=before.order_book + flows.intake - flows.sales,
        employees=employees,
    )
    cash = before.cash + operating_cash(flows, before, known) - flows.capex - flows.dividend
    cash += borrowings - before.borrowings
    values = {item.name: getattr(known, item.name) for item in fields(State)} | {"cash": cash}
    return State(**values)


def _states() -> dict[tuple[int, int], State]:
    states = {(2022, 4): _OPENING}
    last = _OPENING
    for when in sorted(FLOWS):
        last = states[when] = _next(last, when)
    return states


STATES = _states()


def period(year: int, first: int, last: int) -> Flows:
    """The quarters ``first`` to ``last`` of a year as one period."""
    if year == 2022:
        return YEAR_2022
    return reduce(Flows.__add__, (FLOWS[year, quarter] for quarter in range(first, last + 1)))


def year(number: int) -> Flows:
    """A whole year."""
    return period(number, 1, 4)


# Revenue by where the customer is; annual reports only.
REGIONS = ("Europe", "Americas", "Asia-Pacific", "Middle East and Africa")
BY_REGION = {
    2022: (192_310, 68_940, 63_420, 38_170),
    2023: (199_870, 71_260, 69_480, 40_030),
    2024: (207_640, 74_915, 76_330, 44_420),
}


def money(value: int) -> str:
    """A number as the reports print it: 93,525 or (860)."""
    return f"({-value:,})" if value < 0 else f"{value:,}"


def change(now: float, before: float) -> str:
    """Relative change in per cent, signed, one decimal, with a real minus sign."""
    percent = 100 * (now - before) / before
    return f"{percent:+.1f}%".replace("-", "\N{MINUS SIGN}")


for _year, _split in BY_REGION.items():
    assert sum(_split) == year(_year).sales, _year
for _when, _state in STATES.items():
    assert _state.assets == _state.liabilities + _state.equity, _when
for _year in (2023, 2024):
    assert year(_year).dividend * 100 == DIVIDEND_CENTS[_year - 1] * SHARES, _year
