from __future__ import annotations

import pytest

from tests.benchmarks.rouge import best_rouge, rouge


def test_the_worked_example_of_the_paper() -> None:
    # Lin 2004, section 3: S2 and S3 share three and two words in order with the reference.
    reference = "police killed the gunman"
    assert rouge("police kill the gunman", reference).longest == pytest.approx(3 / 4)
    assert rouge("the gunman kill police", reference).longest == pytest.approx(2 / 4)
    assert rouge("the gunman kill police", reference).one == pytest.approx(3 / 4)
    assert rouge("the gunman kill police", reference).two == pytest.approx(1 / 3)


def test_known_values() -> None:
    # The example that the rouge-score package documents for rouge1 and rougeL.
    scores = rouge(
        "The quick brown dog jumps on the log.", "The quick brown fox jumps over the lazy dog"
    )
    assert scores.one == pytest.approx(2 * 6 / 17)
    assert scores.longest == pytest.approx(2 * 5 / 17)
    assert scores.two == pytest.approx(2 * 2 / 15)


def test_edges() -> None:
    assert rouge("A b c.", "a B c") == (1, 1, 1)
    assert rouge("", "a b") == rouge("x y", "a b") == rouge("a", "") == (0, 0, 0)
    assert best_rouge("a b", ["x", "a b", "a"]) == (1, 1, 1)
