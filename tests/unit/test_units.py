"""The same thing by different units."""

from __future__ import annotations

import pytest

from rag.models.offline.units import other_units


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A monthly fee of USD 96,000.", "An annual fee of USD 96,000, in twelve monthly parts."),
        ("It bears interest at 1% per year.", "It bears interest at 1% per month."),
        ("Notice is 30 months.", "Notice is 30 days."),
        ("The warranty lasts 12 years.", "The warranty lasts 12 months."),
        ("It cost 5 million dollars.", "It cost 5 million euros."),
        ("It cost $5 million.", "It cost EUR 5 million."),
        ("EUR 500 per week.", "EUR 500 per day."),
        ("The yearly rent is EUR 2,000.", "The monthly rent is EUR 2,000."),
        ("a 30-day period", "a 30 month period"),
    ],
)
def test_other_units(one: str, other: str) -> None:
    assert other_units(one, other)
    assert other_units(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Notice is 30 days.", "Notice is 30 days, or 2 months in winter."),
        ("It lasts one year.", "It lasts twelve months."),
        ("It cost $5 million.", "It cost 5 million dollars."),
        ("It cost $5 million.", "It cost 4.6 million euros."),
        ("The rent is paid monthly.", "The rent is 500 a month, 6,000 a year."),
        ("", "30 days"),
    ],
)
def test_the_same_units(one: str, other: str) -> None:
    assert not other_units(one, other)
    assert not other_units(other, one)
