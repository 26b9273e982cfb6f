"""Choose penalty and class weighting of a probe on validation, with Optuna's ask and tell in batches.

The search is in ``strength = C * d``: the penalty is a normal prior with variance C on every weight, so
C times d standardised features is the variance that the prior gives the logit. It needs no rescaling with
the size of the subset, since C multiplies the sum of the losses: more recordings outweigh the same prior.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from numpy.typing import ArrayLike, NDArray
from optuna.distributions import CategoricalDistribution, FloatDistribution

from benchmark.errors import BenchmarkError
from benchmark.metrics.classification import auroc, macro, scorable
from benchmark.probes.logistic import ProbeBasis, Solution, Standardiser

Split = tuple[ArrayLike, ArrayLike]  # features (n, d), labels (n, C)
BATCH = 8  # trials asked for and solved together
DECIMALS = 6  # of the objective; below that the solver's tolerance decides, and ties go to the stronger penalty


@dataclass(frozen=True)
class Space:
    """What is searched: `low` to `high` of C times d (log-uniform) and the class weightings."""

    low: float = 1e-3
    high: float = 1e3
    balanced: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        if not (0 < self.low <= self.high < np.inf and self.balanced):
            raise BenchmarkError(f"search space: need 0 < low <= high and at least one class weighting, got {self}")

    def grid(self, count: int) -> list[dict[str, Any]]:
        """The first batch: evenly spaced strengths from strong to weak, class weightings in turn."""
        strengths = np.geomspace(self.low, self.high, count).clip(self.low, self.high)
        return [
            {"strength": float(strength), "balanced": self.balanced[number % len(self.balanced)]}
            for number, strength in enumerate(strengths)
        ]

    def distributions(self) -> dict[str, Any]:
        return {
            "strength": FloatDistribution(self.low, self.high, log=True),
            "balanced": CategoricalDistribution(self.balanced),
        }


@dataclass(frozen=True)
class Tuned:
    """The probe that was chosen, and the record of the search (`choice`, `trials`, `search` are JSON)."""

    choice: dict[str, Any]  # number, C, balanced, val_macro_auroc, ...: one of `trials`
    solution: Solution  # P = 1, on standardised features
    standardiser: Standardiser
    trials: list[dict[str, Any]]
    search: dict[str, Any] = field(default_factory=dict)  # sampler, options, space, versions

    def scores(self, X: ArrayLike) -> NDArray[np.float32]:
        """Features as they come ``(n, d)`` -> logits ``(n, C)``."""
        logits: NDArray[np.float32] = self.solution.scores(self.standardiser(X))[0]
        return logits
