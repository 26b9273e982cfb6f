"""Differences between two methods on the same resamples of the same patients, and their correction for many looks.

A difference is taken resample by resample, so what both methods find hard cancels out. Two-sided p-value of a
bootstrap: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 4.4; correction: Holm, A simple
sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.metrics.statistics import interval


@dataclass(frozen=True)
class Difference:
    """`value` = a - b on the test set itself, its 95 % interval, and the uncorrected two-sided p-value."""

    value: float
    low: float
    high: float
    p: float


def paired_difference(a: float, b: float, resampled_a: np.ndarray, resampled_b: np.ndarray) -> Difference:
    """Compare two numbers through their values on the same resamples, ``(resamples,)`` each.

    Resamples on which either has no value are left out; p is 1 when none is left. p counts the resamples on
    the other side of zero, one added to count and total, so that it is never 0.
    """
    deltas = np.asarray(resampled_a, dtype=np.float64) - np.asarray(resampled_b, dtype=np.float64)
    deltas = deltas[np.isfinite(deltas)]
    low, high = interval(deltas)
    below, above = (deltas <= 0).sum(), (deltas >= 0).sum()
    return Difference(a - b, low, high, min(1.0, 2 * float(min(below, above) + 1) / (len(deltas) + 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given; their family-wise error is that of the level they are held to."""
    order = np.argsort(p_values, kind="stable")
    count = len(order)
    adjusted, largest = [0.0] * count, 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
