"""Small models fitted to measurements, and how well scores tell two kinds apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rag.models.offline import scoring


def logistic(
    names: tuple[str, ...],
    features: scoring.Features,
    target: scoring.Features,
    weights: scoring.Features,
) -> scoring.Weights:
    """Weighted logistic regression by Newton's method, with a little ridge; standardized."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    x = np.column_stack([(features - mean) / spread, np.ones(len(features))])
    ridge = np.diag([1.0] * features.shape[1] + [0.0]) * 1e-3 * weights.sum()
    beta = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (weights * (p - target)) + ridge @ beta
        curve = x.T @ (x * (weights * p * (1 - p))[:, None]) + ridge
        beta -= np.linalg.solve(curve, gradient)
    raw = beta[:-1] / spread
    return scoring.Weights(names=names, coefficients=raw, constant=float(beta[-1] - raw @ mean))


def auroc(positive: scoring.Features, negative: scoring.Features) -> float:
    """Probability that a positive scores above a negative, ties counted half."""
    ranks = np.searchsorted(np.sort(negative), positive, side="left")
    ties = np.searchsorted(np.sort(negative), positive, side="right") - ranks
    return float((ranks + ties / 2).mean() / len(negative))


def balanced_accuracy(
    positive: scoring.Features, negative: scoring.Features, least: float
) -> float:
    """Mean of the shares of both kinds that a bound puts on the right side."""
    return float(((positive >= least).mean() + (negative < least).mean()) / 2)


def best_bound(positive: scoring.Features, negative: scoring.Features) -> float:
    """The bound with the highest balanced accuracy."""
    values = np.unique(np.concatenate([positive, negative]))
    return float(max(values, key=lambda one: balanced_accuracy(positive, negative, one)))


def reliability(
    truth: NDArray[np.bool_], probabilities: scoring.Features
) -> list[dict[str, float]]:
    """By tenths of the probability: how many, their mean, and the share that is so."""
    tenths = np.minimum(9, (probabilities * 10).astype(int))
    return [
        {
            "n": int((tenths == tenth).sum()),
            "probability": float(probabilities[tenths == tenth].mean()),
            "true": float(truth[tenths == tenth].mean()),
        }
        for tenth in np.unique(tenths)
    ]
