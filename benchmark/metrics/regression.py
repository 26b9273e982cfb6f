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
CHUNK = 2**19  # recordings x resamples worked on at once


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
    squares, sums = w @ centred**2, w @ centred
    variance = squares - sums**2 / total
    varies = _differ(truth, w)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(varies, 1 - (w @ (truth - guesses) ** 2) / variance, np.nan)
    both = varies & _differ(guesses, w)
    correlation = _correlation(ranks[0].under(w), ranks[1].under(w), w, total)
    return {"mae": w @ np.abs(truth - guesses) / total, "r2": r2, "spearman": np.where(both, correlation, np.nan)}


def _differ(values: Floats, w: Floats) -> NDArray[np.bool_]:
    """Whether the values with a weight are not all the same, per resample."""
    present = w > 0
    highest = np.where(present, values, -np.inf).max(axis=1)
    return np.asarray(highest > np.where(present, values, np.inf).min(axis=1))


def _correlation(a: Floats, b: Floats, w: Floats, total: Floats) -> Floats:
    """Return Pearson's correlation of two ``(resamples, n)`` under weights; NaN or infinite where one is constant."""
    middle = (total + 1)[:, None] / 2  # the mean of all ranks, ties or not
    a, b = a - middle, b - middle
    products = np.einsum("rn,rn,rn->r", w, a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(np.einsum("rn,rn,rn->r", w, a, a) * np.einsum("rn,rn,rn->r", w, b, b))
        return np.asarray(products / scale)


class _Ranks:
    """Values sorted once; their ranks under any weights are sums in that order."""

    def __init__(self, values: Floats) -> None:
        self.order = np.argsort(values, kind="stable")
        ascending = values[self.order]
        self.below = np.searchsorted(ascending, values, side="left")
        self.upto = np.searchsorted(ascending, values, side="right")

    def under(self, w: Floats) -> Floats:
        """Return ranks from 1 under weights ``(resamples, n)``; equal values share the mean of their ranks."""
        sums = np.zeros((len(w), w.shape[1] + 1))
        np.cumsum(w[:, self.order], axis=1, out=sums[:, 1:])
        return np.asarray((sums[:, self.below] + sums[:, self.upto] + 1) / 2)


def _validate(values: ArrayLike, predictions: ArrayLike) -> tuple[Floats, Floats]:
    truth, guesses = np.asarray(values, np.float64), np.asarray(predictions, np.float64)
    if truth.ndim != 1 or truth.shape != guesses.shape or not truth.size:
        raise BenchmarkError(f"a prediction per value is needed, got {guesses.shape} for {truth.shape}")
    if not (np.isfinite(truth).all() and np.isfinite(guesses).all()):
        raise BenchmarkError("values and predictions must be finite numbers")
    return truth, guesses
