"""How scores of benchmarks are judged, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.fitting import auroc, balanced_accuracy, best_bound, logistic

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=30).map(lambda x: np.array(x, float))


@given(positive=SCORES, negative=SCORES)
def test_the_area_under_the_curve_is_a_share_of_pairs(
    positive: np.ndarray, negative: np.ndarray
) -> None:
    wins = [float(a > b) + 0.5 * float(a == b) for a in positive for b in negative]
    assert auroc(positive, negative) == pytest.approx(np.mean(wins))


@given(positive=SCORES, negative=SCORES, other=st.integers(-6, 6))
def test_no_bound_is_better_than_the_best(
    positive: np.ndarray, negative: np.ndarray, other: int
) -> None:
    best = balanced_accuracy(positive, negative, best_bound(positive, negative))
    if other <= max(positive.max(), negative.max()):
        assert best >= balanced_accuracy(positive, negative, other)
    assert 0.5 <= best <= 1


def test_a_logistic_curve_is_found_again() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(20_000, 1))
    truth = (generator.random(20_000) < 1 / (1 + np.exp(-(2 * x[:, 0] - 0.5)))).astype(float)
    model = logistic(("x",), x, truth, np.ones(20_000))
    assert model.coefficients[0] == pytest.approx(2, abs=0.1)
    assert model.constant == pytest.approx(-0.5, abs=0.1)
