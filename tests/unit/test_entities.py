"""One thing under several spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.analysis.entities import definitions, folded, same_names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Acme Pumps Ltd", "ACME PUMPS LIMITED"),
        ("Acme Pumps, Inc.", "Acme Pumps Incorporated"),
        ("Smith & Sons", "Smith and Sons"),
        ("The Acme Group", "Acme Group"),
        ("3 March 2024", "March 3, 2024"),
        ("2024-03-03", "3 March 2024"),
        ("A.B. Volvo", "AB Volvo"),
        ("$1.5 million", "$1,500,000"),
        ("1,250 euros", "€ 1250"),
        ("7.5 %", "7.5 percent"),
        ("-$5", "$-5"),
        ("($1,200)", "-1,200 dollars"),
        ("3.0", "3"),
        ("twelve (12) months", "Twelve 12 months."),
        ("30-day notice", "30 day notice"),
    ],
)
def test_spellings_of_one_thing_fold_to_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Acme Inc.", "Acme Ltd"),
        ("3 March 2024", "4 March 2024"),
        ("Part 1", "Part 2"),
        ("$1.5 million", "$15 million"),
        ("1.5%", "15%"),
        ("10%", "10"),
        ("$100", "€100"),
        ("$100", "C$100"),
        ("-5%", "5%"),
        ("-5", "+5"),
        ("($5)", "$5"),
        ("<5", "> 5"),
        (".5", "5"),
        ("1/2", "1 2"),
        ("5-10", "5 10"),
        ("1.2.3", "1.20.3"),
        ("5 m", "5 million"),
        ("007", "7"),
        ("0.00000001", "0.00000002"),
        ("12345678901234567", "12345678901234568"),
        ("C++", "C"),
        ("C++", "C+"),
        ("$", "€"),
    ],
)
def test_different_things_do_not(one: str, other: str) -> None:
    assert folded(one) != folded(other)
    assert same_names([one, other], {}) == [[0], [1]]


@given(
    st.tuples(st.integers(-99_999, 99_999), st.sampled_from(["{} €", "${}", "{}%", "{} items"])),
    st.tuples(st.integers(-99_999, 99_999), st.sampled_from(["EUR {}", "${}", "{} percent", "{}"])),
)
def test_amounts_are_one_when_number_sign_and_unit_are(
    one: tuple[int, str], other: tuple[int, str]
) -> None:
    units = {"{} €": "EUR", "EUR {}": "EUR", "${}": "$", "{}%": "%", "{} percent": "%"}
    said, again = (shape.format(f"{number / 100:,.2f}") for number, shape in (one, other))
    alike = one[0] == other[0] and units.get(one[1], one[1]) == units.get(other[1], other[1])
    assert (folded(said) == folded(again)) is alike


def test_short_forms_are_put_to_the_one_name_that_they_can_be_short_for() -> None:
    names = ["Acme", "Acme Pumps Ltd", "Borealis GmbH", "IBM", "International Business Machines"]
    groups = [{names[at] for at in group} for group in same_names(names, {})]
    assert {"Acme", "Acme Pumps Ltd"} in groups
    assert {"IBM", "International Business Machines"} in groups
    assert {"Borealis GmbH"} in groups


def test_a_short_form_that_fits_two_names_is_put_to_none() -> None:
    names = ["Acme", "Acme Pumps Ltd", "Acme Valves Ltd"]
    assert len(same_names(names, {})) == 3


def test_persons_by_initials_and_last_names() -> None:
    names = ["Jane Smith", "J. Smith", "Smith", "Robert Jones"]
    groups = [{names[at] for at in group} for group in same_names(names, {})]
    assert {"Jane Smith", "J. Smith", "Smith"} in groups


def test_short_forms_that_the_text_defines() -> None:
    names = ["Acme Pumps Ltd", "Borealis GmbH", "Supplier"]
    text = 'between Acme Pumps Ltd, of Leeds (the "Supplier"), and Borealis GmbH ("Customer")'
    defined = definitions([text], names)
    assert defined["supplier"] == folded("Acme Pumps Ltd")
    assert defined["customer"] == folded("Borealis GmbH")
    groups = [{names[at] for at in group} for group in same_names(names, defined)]
    assert {"Acme Pumps Ltd", "Supplier"} in groups
