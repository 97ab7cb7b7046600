"""Figures as words: the same for the same date, amount and clause."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.figures import figures
from rag.models.offline.dates import dates


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$5.2 billion", {"amount5200000000"}),
        ("5,200 million dollars", {"amount5200000000"}),
        ("5.200.000.000 Euro", {"amount5200000000"}),
        ("EUR 12,000.50", {"amount12000x50"}),
        ("in 2024, 300 people", set()),
        ("see Section 7.2", {"clause7x2"}),
        ("§ 7.2 and clause 3", {"clause7x2", "clause3"}),
        ("7.2 Term. It ends.", {"clause7x2"}),
        ("7.2.1 pumps", {"clause7x2x1"}),
        ("no figures", set()),
    ],
)
def test_each_figure_is_one_word(text: str, words: set[str]) -> None:
    assert set(figures(text)) == words


@given(st.dates(dt.date(1850, 1, 1), dt.date(2099, 12, 31)))
def test_a_date_is_the_same_word_however_it_is_written(day: dt.date) -> None:
    word = f"date{day:%Y%m%d}"
    ways = (
        f"{day:%Y-%m-%d}",
        f"{day:%B} {day.day}, {day.year}",
        f"{day.day}. {day:%B} {day.year}",
        f"{day.day:02}.{day.month:02}.{day.year}",
        f"{day.year}年{day.month}月{day.day}日",
    )
    assert all(figures(f"It began on {way} in the hall.") == [word] for way in ways)


@given(st.text(alphabet="0123456789 /.-,年月日§MarchSec\n", max_size=300))
def test_dates_are_looked_for_wherever_they_can_be(text: str) -> None:
    found = sorted(f"date{iso.replace('-', '')}" for _, _, iso in dates(text))
    assert sorted(one for one in figures(text) if one.startswith("date")) == found


def test_a_clause_counts_more_where_it_begins() -> None:
    heads = figures("7.2 Payment. The buyer pays.").count("clause7x2")
    refers = figures("The buyer pays as in Section 7.2.").count("clause7x2")
    assert heads > refers > 0


def test_long_rows_of_digits_are_read_in_no_time() -> None:
    began = time.process_time()
    for text in ("1 " * 50_000, "1." * 50_000, "2024/" * 20_000, "section " * 10_000):
        figures(text)
    assert time.process_time() - began < 20
