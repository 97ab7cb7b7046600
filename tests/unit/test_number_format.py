from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse.number_format import BUILT_IN, format_number


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (1480, "General", "1480"),
        (0.1 + 0.2, "General", "0.3"),
        (1e21, "General", "1e+21"),
        (184500, "#,##0", "184,500"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (0, "#,##0", "0"),
        (0.005, "0.00", "0.01"),
        (2.675, "0.00", "2.68"),
        (0.256, "0%", "26%"),
        (0.05, "0.0%", "5.0%"),
        (1234567, "0.0,,", "1.2"),
        (1234567, '#,##0.0,"k"', "1,234.6k"),
        (-1234.5, "#,##0.00;(#,##0.00)", "(1,234.50)"),
        (-1234.5, "#,##0.00_);[Red](#,##0.00)", "(1,234.50)"),
        (-5, "0.0", "-5.0"),
        (0, '0;-0;"none"', "none"),
        (705, "[$€-407] #,##0.00", "€ 705.00"),
        (705, '#,##0.00\\ "€"', "705.00 €"),
        (705, '_-[$£-809]* #,##0.00_-;-[$£-809]* #,##0.00_-;_-[$£-809]* "-"??_-;_-@_-', "£705.00"),
        (12, '[<20]"few";[>=100]"many";0', "few"),
        (50, '[<20]"few";[>=100]"many";0', "50"),
        (5551234567, "(000) 000-0000", "(555) 123-4567"),
        (7, "000", "007"),
        (0.5, "#.##", ".5"),
        (3, "0.##", "3."),
        (12345, "0.00E+00", "1.23E+04"),
        (0.00012, "0.0E-0", "1.2E-4"),
        (2.75, "# ?/?", "2 3/4"),
        (3, "# ?/?", "3"),
        (45352, "yyyy-mm-dd", "2024-03-01"),
        (45352.604, "d mmm yyyy, h:mm AM/PM", "1 Mar 2024, 2:29 PM"),
        (45352.604, "dddd dd/mm/yy hh:mm:ss", "Friday 01/03/24 14:29:46"),
        (1.5, "[h]:mm", "36:00"),
        (0.000011574 * 61.5, "mm:ss.0", "01:01.5"),
        (59, "yyyy-mm-dd", "1900-02-28"),
        (61, "yyyy-mm-dd", "1900-03-01"),
        (-3, "yyyy-mm-dd", "-3"),
        (9e9, "yyyy-mm-dd", "9000000000"),
        (5, '"only words"', "only words"),
        (5, "@", "5"),
        (5, '0 "unclosed', "5 unclosed"),
    ],
)
def test_shown_as_in_a_cell(value: float, code: str, shown: str) -> None:
    assert format_number(value, code) == shown


def test_the_other_calendar() -> None:
    assert format_number(43890, "yyyy-mm-dd", from_1904=True) == "2024-03-01"


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text('0#?.,%/E+-;[]<>=$€"\\_*@ ymdhsAMP:1a'),
)
def test_any_code_shows_something_or_nothing_but_never_fails(value: float, code: str) -> None:
    assert len(format_number(value, code)) < 2000


@given(st.sampled_from(sorted(BUILT_IN)), st.floats(min_value=1, max_value=2e6))
def test_built_in_codes_always_show_something(number: int, value: float) -> None:
    assert format_number(value, BUILT_IN[number])


@given(st.integers(-(10**14), 10**14))
def test_thousands_only_add_commas(value: int) -> None:
    assert format_number(value, "#,##0") == f"{value:,}"
    assert math.isclose(float(format_number(value / 7, "0.0000")), value / 7, abs_tol=1e-4)
