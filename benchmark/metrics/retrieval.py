"""Retrieval between recordings and reports, with reports that many recordings share.

Reports repeat: a third of a test set may read "sinus rhythm. normal ecg". So a recording is the query for one among the
*different* texts (each fills one place). Each different text is one query among all recordings, and any recording with
that text is right. Ranks are expectations over a random order of tied similarities: a method with the same similarity
everywhere is exactly at chance, which is computed (hypergeometric), not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from benchmark.errors import BenchmarkError
from benchmark.metrics.classification import Floats

DEPTHS = (1, 5, 10)
HALF = 0.5 - 1e-9  # six of twelve are half, in spite of rounding in the logarithms
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Placement:
    """The place of the first right candidate of each query: ``(query,)`` each.

    `above` counts wrong candidates with a higher similarity than the best right one; `wrong` and `right` are tied with
    it.
    """

    above: Ints
    wrong: Ints
    right: Ints

    def rank(self) -> Floats:
        """Return the expected place of the first right candidate, from 1."""
        return self.above + (self.right + self.wrong + 1) / (self.right + 1)

    def hit(self, depth: int) -> Floats:
        """Return the probability that one of the first `depth` candidates is right."""
        return 1 - none_right_probability(self.wrong + self.right, self.right, depth - self.above)


def place(similarity: np.ndarray, right: np.ndarray) -> Placement:
    """Place the first right candidate of each query: ``(query, candidate)`` similarities and booleans.

    Raises `BenchmarkError` for a query without a right candidate and for similarities that are not finite.
    """
    if not np.isfinite(similarity).all():
        raise BenchmarkError("similarities must be finite")
    if not right.any(axis=1).all():
        raise BenchmarkError("every query needs a right candidate")
    best = np.where(right, similarity, -np.inf).max(axis=1, keepdims=True)
    tied = similarity == best
    above = (~right & (similarity > best)).sum(axis=1)
    return Placement(above, (tied & ~right).sum(axis=1), (tied & right).sum(axis=1))


def none_right_probability(candidates: Ints, right: Ints, count: Ints) -> Floats:
    """Return the probability that none of the first `count` of `candidates` in random order is one of `right`."""
    count = np.clip(count, 0, candidates)
    wrong = candidates - right
    possible = count <= wrong
    some = np.minimum(count, wrong)
    logs = _log_choose(wrong, some) - _log_choose(candidates, some)
    return np.where(possible, np.exp(logs), 0.0)


def chance_levels(candidates: int, right: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Return the metrics of a random order, over queries with `right` matches and `weights` ``(query,)``."""
    share = weights / weights.sum()
    total = np.full(right.shape, candidates)

    def recall(depth: int) -> float:
        return float(share @ (1 - none_right_probability(total, right, np.full(right.shape, depth))))

    low, high = 1, candidates  # the least depth at which half of the queries have a right candidate
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if recall(middle) >= HALF else (middle + 1, high)
    return {**{f"recall_at_{depth}": recall(depth) for depth in DEPTHS}, "median_rank": float(low)}


def resampled_means(values: np.ndarray, weights: np.ndarray, draws: np.ndarray) -> Floats:
    """Return the weighted mean of `values` ``(query,)`` for each of `draws` ``(resamples, query)``; NaN if empty."""
    mass = draws * weights
    total = mass.sum(axis=1)
    return np.where(total > 0, (mass @ values) / np.where(total > 0, total, 1), np.nan)


def resampled_medians(values: np.ndarray, weights: np.ndarray, draws: np.ndarray) -> Floats:
    """Return the least value that at least half of the weight does not exceed, per resample; NaN without weight."""
    order = np.argsort(values, kind="stable")
    running = np.cumsum((draws * weights)[:, order], axis=1)
    total = running[:, -1]
    reached = running >= (total / 2 * (1 - 1e-12))[:, None]  # half of ten tenths is not exactly five of them
    return np.where(total > 0, values[order][reached.argmax(axis=1)], np.nan)


def _log_choose(n: Ints, k: Ints) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
