from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.similarity import distance, normalized, similarity


def by_definition(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        row, above = [i], row
        for j, right in enumerate(other, 1):
            row.append(min(row[-1] + 1, above[j] + 1, above[j - 1] + (left != right)))
    return row[-1]


@given(st.text("ab\U0001f600", max_size=40), st.text("abc", max_size=90))
def test_distance_is_levenshtein(one: str, other: str) -> None:
    assert distance(one, other) == distance(other, one) == by_definition(one, other)


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("# Title\n\n- **one**\n- `two`\n", "Title\n\none\ntwo"),
        ("| a | b |\n| - | -: |\n| 1 | x\\|y |\n", "a\tb\n1\tx y"),
        ("see [the text](http://host/a_b) <!-- image -->", "see the text"),
        ("R&amp;D \\_x\\_ snake_case 2 - 1", "R&D x snake_case 2 - 1"),
    ],
)
def test_marks_and_white_space_do_not_count(marked: str, plain: str) -> None:
    assert normalized(marked) == normalized(plain)
    assert similarity(marked, plain) == 1


def test_similarity_is_a_share_of_the_longer_text() -> None:
    assert similarity("abcd", "abXd") == 0.75
    assert similarity("", "abc") == 0
    assert similarity(" ", "<!-- image -->") is None
