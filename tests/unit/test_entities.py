"""One thing under several spellings."""

from __future__ import annotations

import pytest

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
    ],
)
def test_spellings_of_one_thing_fold_to_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Acme Inc.", "Acme Ltd"), ("3 March 2024", "4 March 2024"), ("Part 1", "Part 2")],
)
def test_different_things_do_not(one: str, other: str) -> None:
    assert folded(one) != folded(other)
    assert same_names([one, other], {}) == [[0], [1]]


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
