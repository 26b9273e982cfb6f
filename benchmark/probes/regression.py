"""Ridge regression of a number on frozen features: every penalty in closed form, the best by validation.

Features are standardised on the training subset; the number is only centred, so predictions and errors keep its unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import BenchmarkError
from benchmark.probes.logistic import ProbeBasis, Standardiser
from benchmark.probes.ridge import ridge_scores

# times n, the mean eigenvalue of X'X, from strong to weak: the weakest is least squares but for rounding
PENALTIES = tuple(float(value) for value in np.geomspace(1e4, 1e-8, 37))
DECIMALS = 6  # of the objective; below that rounding decides, and ties go to the stronger penalty

Split = tuple[ArrayLike, ArrayLike]  # features (n, d), numbers (n,)


@dataclass(frozen=True)
class Regression:
    """The chosen penalty, all that were tried, and predictions for the held-out features, ``(m,)`` float32."""

    choice: dict[str, Any]
    trials: list[dict[str, Any]]
    predictions: NDArray[np.float32]


def regress(train: Split, val: Split, test: ArrayLike) -> Regression:
    """Fit on `train`, choose the penalty by the mean absolute error on `val`, predict for the features `test`.

    Raises `BenchmarkError` for features or numbers that are not finite, and where train or validation is empty.
    """
    numbers, held_out = _finite(train[1], "training"), _finite(val[1], "validation")
    standardiser = Standardiser.fit(train[0])
    basis = ProbeBasis(standardiser(train[0]))
    penalties = [share * len(numbers) for share in PENALTIES]
    on_val = ridge_scores(basis, numbers[:, None], penalties, standardiser(val[0]))[:, :, 0]
    errors = np.abs(on_val - held_out).mean(axis=1)
    trials = [
        {"number": place, "penalty": penalty, "val_mae": round(float(error), DECIMALS)}
        for place, (penalty, error) in enumerate(zip(penalties, errors, strict=True))
    ]
    best = min(trials, key=lambda trial: trial["val_mae"])
    predictions = ridge_scores(basis, numbers[:, None], [best["penalty"]], standardiser(test))[0, :, 0]
    at_edge = best["number"] in (0, len(trials) - 1)  # the best may lie outside of the grid
    return Regression({**best, "at_edge": at_edge}, trials, predictions)


def _finite(values: ArrayLike, split: str) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or not numbers.size:
        raise BenchmarkError(f"{split} has no numbers, or more than one per recording: {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise BenchmarkError(f"{split} has numbers that are missing or infinite")
    return numbers
