"""Metrics of predicted numbers, and their values on resamples of the patients.

Mean absolute error in the unit of the target, the coefficient of determination R2 (1 minus the squared error over the
variance of the truth), and Spearman's rank correlation with mean ranks for ties. A resample is a vector of weights (see
`statistics.patient_weights`), so values are ranked once for all resamples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import BenchmarkError

Floats = NDArray[np.float64]
METRICS = ("mae", "r2", "spearman")
CHUNK = 2**17  # recordings x resamples worked on at once: 1 MB an array, so that they stay in the cache


def score(values: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """Return each of `METRICS` for ``(n,), (n,)``; NaN where it is undefined.

    R2 needs two different values, Spearman's correlation two different predictions as well. Raises `BenchmarkError` for
    numbers that are not finite and for lengths that differ.
    """
    replicates = bootstrap(values, predictions, np.ones((1, len(np.asarray(values))), np.int32))
    return {name: float(numbers[0]) for name, numbers in replicates.items()}


def bootstrap(values: ArrayLike, predictions: ArrayLike, weights: NDArray[np.int32]) -> dict[str, Floats]:
    """Return each of `METRICS` under each row of `weights` ``(resamples, n)``: ``(resamples,)``; NaN as `score` has it.

    A recording counts as often as its weight says. Raises as `score` does.
    """
    truth, guesses = _validate(values, predictions)
    columns = [_Ranks(truth), _Ranks(guesses)]
    step = max(1, CHUNK // len(truth))
    parts = [_chunk(truth, guesses, columns, weights[start : start + step]) for start in range(0, len(weights), step)]
    return {name: np.concatenate([part[name] for part in parts]) for name in METRICS}


def _chunk(truth: Floats, guesses: Floats, ranks: list[_Ranks], weights: NDArray[np.int32]) -> dict[str, Floats]:
    w = weights.astype(np.float64)
    total = w.sum(axis=1)
    centred = truth - truth.mean()  # against cancellation: only differences matter
    errors = truth - guesses
    sums, squares, absolute, squared = (w @ np.stack([centred, centred**2, np.abs(errors), errors**2], axis=1)).T
    middle = (total + 1)[:, None] / 2  # the mean of all ranks, ties or not
    first, second = (column.under(w) - middle for column in ranks)
    weighted = w * first
    spread = np.einsum("rn,rn->r", weighted, first)  # of ranks, in exact halves: 0 where all values are the same
    products = np.einsum("rn,rn->r", weighted, second)
    other = np.einsum("rn,rn->r", np.multiply(w, second, out=weighted), second)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = 1 - squared / (squares - sums**2 / total)
        correlation = products / np.sqrt(spread * other)
    varies = spread > 0
    return {
        "mae": absolute / total,
        "r2": np.where(varies, r2, np.nan),
        "spearman": np.where(varies & (other > 0), correlation, np.nan),
    }


class _Ranks:
    """Values sorted once; their ranks under any weights are sums in that order."""

    def __init__(self, values: Floats) -> None:
        self.order = np.argsort(values, kind="stable")
        ascending = values[self.order]
        self.below = np.searchsorted(ascending, values, side="left")
        self.upto = np.searchsorted(ascending, values, side="right")
        self.distinct = bool((self.upto - self.below == 1).all())

    def under(self, w: Floats) -> Floats:
        """Return ranks from 1 under weights ``(resamples, n)``; equal values share the mean of their ranks."""
        sums = np.zeros((len(w), w.shape[1] + 1))
        np.cumsum(np.take(w, self.order, axis=1), axis=1, out=sums[:, 1:])
        if self.distinct:
            return np.asarray(np.take(sums, self.below, axis=1) + (w + 1) / 2)
        return np.asarray((np.take(sums, self.below, axis=1) + np.take(sums, self.upto, axis=1) + 1) / 2)


def _validate(values: ArrayLike, predictions: ArrayLike) -> tuple[Floats, Floats]:
    truth, guesses = np.asarray(values, np.float64), np.asarray(predictions, np.float64)
    if truth.ndim != 1 or truth.shape != guesses.shape or not truth.size:
        raise BenchmarkError(f"a prediction per value is needed, got {guesses.shape} for {truth.shape}")
    if not (np.isfinite(truth).all() and np.isfinite(guesses).all()):
        raise BenchmarkError("values and predictions must be finite numbers")
    return truth, guesses
