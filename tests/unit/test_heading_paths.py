"""The path of headings above a place."""

from __future__ import annotations

from rag.headings import Heading, heading_paths


def test_a_heading_holds_until_one_of_its_rank() -> None:
    headings = [
        Heading(10, 1, "One"),
        Heading(20, 3, "Deep"),
        Heading(30, 2, "Middle"),
        Heading(40, 1, "Two"),
    ]
    paths = list(heading_paths(headings, [0, 10, 19, 20, 35, 39, 40, 99]))
    one = ("One",)
    assert paths[:4] == [(), one, one, ("One", "Deep")]
    assert paths[4:] == [("One", "Middle"), ("One", "Middle"), ("Two",), ("Two",)]
    assert list(heading_paths([], [5])) == [()]
