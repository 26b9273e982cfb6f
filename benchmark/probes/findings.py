"""Probes of findings that are known of some recordings only: each learns from the recordings where it is known.

L2-regularised logistic regression on features that are standardised over all training recordings, one probe per
finding. All findings of a fit share one strength, C times the number of features: a validation fold has some 25 known
labels per finding, too few to choose for each one. A finding of one sign in training keeps a constant score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from benchmark.metrics.classification import auroc, macro
from benchmark.metrics.finding_scoring import known_labels
from benchmark.probes.logistic import ProbeBasis, Standardiser

STRENGTHS = tuple(float(value) for value in np.geomspace(1e-3, 1e3, 13))  # C times d, from the strongest penalty
DECIMALS = 6  # of the objective; of equally good strengths the strongest penalty is chosen


@dataclass(frozen=True)
class FindingProbes:
    """Fitted probes of C findings on features of a method."""

    standardiser: Standardiser
    weights: NDArray[np.float32]  # (d, C)
    intercepts: NDArray[np.float64]  # (C,)
    choice: dict[str, Any]
    trials: list[dict[str, Any]]

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return the logits ``(n, C)`` of raw features ``(n, d)``."""
        return np.asarray(self.standardiser(features) @ self.weights + self.intercepts, np.float32)


def fit_findings(train: tuple[NDArray[Any], NDArray[Any]], val: tuple[NDArray[Any], NDArray[Any]]) -> FindingProbes:
    """Fit on `train` and choose the strength on `val`; both are features ``(n, d)`` and labels ``(n, C)`` with NaN.

    Raises `BenchmarkError` where no finding has both signs in training, or none in validation.
    """
    standardiser = Standardiser.fit(train[0])
    weights, intercepts = _solve(standardiser(train[0]), train[1])
    if not weights.any():
        raise BenchmarkError("no finding is known with both signs in training: nothing to learn from")
    trials: list[dict[str, Any]] = []
    for number, strength in enumerate(STRENGTHS):
        scores = standardiser(val[0]) @ weights[number] + intercepts[number]
        trials.append({"number": number, "strength": strength, "val_macro_auroc": _judge(val[1], scores)})
    if all(np.isnan(trial["val_macro_auroc"]) for trial in trials):
        raise BenchmarkError("no finding is known with both signs in validation: nothing to choose the penalty by")
    best = max(trials, key=lambda trial: (trial["val_macro_auroc"], -trial["number"]))
    place = int(best["number"])
    choice = {**best, "at_edge": place in (0, len(STRENGTHS) - 1)}
    return FindingProbes(standardiser, weights[place], intercepts[place], choice, trials)


def _solve(features: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return weights ``(P, d, C)`` and intercepts ``(P, C)`` of every strength and finding."""
    is_known, dim, count = known_labels(labels), features.shape[1], labels.shape[1]
    weights = np.zeros((len(STRENGTHS), dim, count), np.float32)
    intercepts = np.zeros((len(STRENGTHS), count))
    for place in range(count):
        rows = is_known[:, place]
        if len(set(labels[rows, place])) < 2:
            continue
        solution = ProbeBasis(features[rows]).solve(
            labels[rows, place][:, None], [strength / dim for strength in STRENGTHS], [False] * len(STRENGTHS)
        )
        weights[:, :, place], intercepts[:, place] = solution.weights[:, :, 0], solution.intercepts[:, 0]
    return weights, intercepts


def _judge(labels: NDArray[Any], scores: NDArray[Any]) -> float:
    """Return the macro AUROC over the findings that are known with both signs; NaN where there is none."""
    is_known = known_labels(labels)
    values = [
        auroc(labels[rows, place][:, None], scores[rows, place][:, None])[0]
        for place, rows in enumerate(is_known.T)
        if len(set(labels[rows, place])) == 2
    ]
    return round(macro(values), DECIMALS)
