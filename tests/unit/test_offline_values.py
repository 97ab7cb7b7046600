from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models.offline.quantities import Expressions, is_in_currency
from rag.models.offline.values import Kind, find, number


class Text(str):
    """A text that can be seen to go."""

    __slots__ = ("__weakref__",)


def test_of_a_text_that_was_read_nothing_is_kept() -> None:
    text, said = Text("The rent of $1,250 and the deposit of $2,500 are due."), Expressions()
    sums = said.of(Kind.MONEY, text)
    assert said.of(Kind.MONEY, text) is sums
    assert is_in_currency(text, sums[0], "USD", said)
    left = weakref.ref(text)
    del text, said
    gc.collect()
    assert left() is None


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("on 2024-03-05.", "2024-03-05"),
        ("December 11,2014", "2014-12-11"),
        ("this 6th day of January, 2012", "2012-01-06"),
        ("as of the 4th day of May 2005", "2005-05-04"),
        ("am 3. März 2024", "2024-03-03"),
        ("le 1er août 2023", "2023-08-01"),
        ("el 14 de julio de 2022", "2022-07-14"),
        ("14.07.2024", "2024-07-14"),
        ("7/4/2024", "2024-07-04"),
        ("25/12/99", "1999-12-25"),
        ("2024年11月3日", "2024-11-03"),
        ("31 января 2020", "2020-01-31"),
    ],
)
def test_dates_in_iso_form(text: str, iso: str) -> None:
    (found,) = find(Kind.DATE, text)
    assert found.iso == iso
    assert found.text in text


@pytest.mark.parametrize("text", ["31 February 2024", "version 1.2.3", "May 2005", "2024-13-01"])
def test_what_is_no_date(text: str) -> None:
    assert find(Kind.DATE, text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$1,234.50", 1234.5),
        ("€380 thousand", 380_000),
        ("33,3 Millionen Euro", 33_300_000),
        ("1.250.000 EUR", 1_250_000),
        ("USD 2.5 million", 2_500_000),
        ("12 000 €", 12_000),
        ("3.500 Euro", 3_500),
        ("500 dollars", 500),
        ("-$40", None),
        ("$-40", -40),
        ("1.2亿元", 120_000_000),
    ],
)
def test_amounts_of_money(text: str, value: float | None) -> None:
    found = find(Kind.MONEY, f"It was {text}, they said")
    assert len(found) == 1
    if value is not None:
        assert found[0].number == value


@pytest.mark.parametrize(
    ("said", "value"),
    [("1,234", 1234), ("1.234", 1.234), ("1.234,5", 1234.5), ("12,5", 12.5), ("0.125", 0.125)],
)
def test_separators(said: str, value: float) -> None:
    assert number(said) == value
    assert number("1.234", money=True) == 1234


@pytest.mark.parametrize(
    ("text", "said", "iso"),
    [
        ("for two (2) years after", "2 years", "P2Y"),
        ("an eighteen (18) month period", "18 months", "P18M"),
        ("within 30 days", "30 days", "P30D"),
        ("zwölf Monate", "12 months", "P12M"),
        ("one year", "1 year", "P1Y"),
        ("3个月内", "3 months", "P3M"),
        ("90 minutes", "90 minutes", "PT90M"),
    ],
)
def test_durations(text: str, said: str, iso: str) -> None:
    (found,) = find(Kind.DURATION, text)
    assert (found.text, found.iso) == (said, iso)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Kind.PERCENT, "rose by 12.5 % and -3 percent", ["12.5 %", "-3 percent"]),
        (Kind.EMAIL, "Write to ann.lee@example.com.", ["ann.lee@example.com"]),
        (Kind.URL, "See https://example.org/a?b=1, or www.example.com.",
         ["https://example.org/a?b=1", "www.example.com"]),
        (Kind.PHONE, "Call +49 30 123456-78 or (555) 123-4567 by 2024-05-06.",
         ["+49 30 123456-78", "(555) 123-4567"]),
        (Kind.CODE, "Invoice INV-2024/17 of 3 May 2024 for order 4711, 24,600 pieces",
         ["INV-2024/17", "4711"]),
        (Kind.NAME, "Changes need a document signed by Fernhill.", ["Fernhill"]),
        (Kind.ORGANISATION, "between Aspect Medical Systems, Inc., a Delaware corporation "
         "(“Aspect”), and Tyco Healthcare Group LP",
         ["Aspect Medical Systems, Inc.", "Tyco Healthcare Group LP"]),
        (Kind.PERSON, "The board met. Mr John Smith and Ann van der Berg spoke; Acme Ltd did not.",
         ["John Smith", "Ann van der Berg"]),
        (Kind.PLACE, "the laws of the State of New York shall govern", ["New York"]),
    ],
)  # fmt: skip
def test_expressions(kind: Kind, text: str, expected: list[str]) -> None:
    assert [one.text for one in find(kind, text)] == expected


@given(st.text(alphabet="aB1.,-/()% €$年月日Inc&@:", max_size=60), st.sampled_from(Kind))
def test_expressions_stand_where_they_are_found(text: str, kind: Kind) -> None:
    for one in find(kind, text):
        assert 0 <= one.start < one.end <= len(text)
        assert kind is Kind.DURATION or text[one.start : one.end] == one.text
