"""Calibration: does a probability of 0.3 come true in three of ten recordings?

Reliability bins and the expected calibration error, per class and with equal-width bins: Naeini et al., Obtaining well
calibrated probabilities using Bayesian binning, AAAI 2015.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import BenchmarkError
from benchmark.metrics.classification import Floats, validate

BINS = 10


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> Floats:
    """Return the gap between mean probability and share of positives, averaged over the bins: ``(n, C) -> (C,)``.

    Bins are weighted by size. Defined for every class, as the Brier score is. Raises `BenchmarkError` for probabilities
    outside 0 to 1.
    """
    count, confidence, positives = _sums(labels, probabilities, bins)
    # count * |confidence/count - positives/count| needs no division: empty bins add nothing
    return np.abs(confidence - positives).sum(axis=0) / count.sum(axis=0)


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> dict[str, Any]:
    """Return the bins over all classes and recordings as JSON, for a figure.

    ``edges`` (bins + 1), and per bin ``count``, ``mean_probability`` and ``share_positive``; the last two are None
    where a bin is empty.
    """
    count, confidence, positives = (part.sum(axis=1) for part in _sums(labels, probabilities, bins))
    return {
        "edges": np.linspace(0, 1, bins + 1).round(6).tolist(),
        "count": count.astype(int).tolist(),
        "mean_probability": _means(confidence, count),
        "share_positive": _means(positives, count),
    }


def bin_of(probabilities: Floats, bins: int) -> NDArray[np.intp]:
    """Return the equal-width bin of each probability; 1.0 belongs to the last."""
    return np.minimum((probabilities * bins).astype(np.intp), bins - 1)


def _sums(labels: ArrayLike, probabilities: ArrayLike, bins: int) -> tuple[Floats, Floats, Floats]:
    """Return recordings, sum of probabilities and positives of every bin: ``(bin, class)`` each."""
    truth, values = validate(labels, probabilities)
    if ((values < 0) | (values > 1)).any():
        raise BenchmarkError(f"probabilities must lie in 0..1, got {values.min():.4g} to {values.max():.4g}")
    classes = truth.shape[1]
    where = (bin_of(values, bins) * classes + np.arange(classes)).ravel()
    every = np.ones(values.size)
    count, confidence, positives = (
        np.bincount(where, weights, bins * classes).reshape(bins, classes).astype(np.float64)
        for weights in (every, values.ravel(), truth.ravel().astype(np.float64))
    )
    return count, confidence, positives


def _means(total: Floats, count: Floats) -> list[float | None]:
    return [round(float(t / n), 6) if n else None for t, n in zip(total, count, strict=True)]
