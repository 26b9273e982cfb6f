"""Differences between two methods on the same resamples of the same patients, corrected for many comparisons.

A difference is taken resample by resample, so what both methods find hard cancels out. The p-value is that of the
difference over its bootstrap standard error (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
Counting resamples beyond zero would not do: it cannot go below 2 / 1,001, which Holm's correction over a few dozen
comparisons lifts above any level, so that no difference would ever be significant. Correction: Holm, A simple
sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from benchmark.metrics.statistics import interval


@dataclass(frozen=True)
class Difference:
    """Difference `value` = a - b on the test set, its 95 % interval, and the uncorrected two-sided p-value."""

    value: float
    low: float
    high: float
    p: float


def paired_difference(a: float, b: float, resampled_a: np.ndarray, resampled_b: np.ndarray) -> Difference:
    """Compare two numbers through their values on the same resamples, ``(resamples,)`` each.

    Resamples on which either has no value are left out; p is 1 when fewer than two remain.
    """
    deltas = np.asarray(resampled_a, dtype=np.float64) - np.asarray(resampled_b, dtype=np.float64)
    deltas = deltas[np.isfinite(deltas)]
    low, high = interval(deltas)
    return Difference(a - b, low, high, _two_sided(a - b, deltas))


def _two_sided(value: float, deltas: np.ndarray) -> float:
    """Return the p-value by the normal distribution with the standard deviation of the resamples.

    Where all resamples agree it is 0, or 1 for a difference of 0.
    """
    if len(deltas) < 2:
        return 1.0
    error = float(deltas.std(ddof=1))
    if error == 0:
        return 0.0 if value else 1.0
    return float(2 * norm.sf(abs(value) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the given order; comparing them with a level bounds the family-wise error."""
    order = np.argsort(p_values, kind="stable")
    count = len(order)
    adjusted, largest = [0.0] * count, 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
