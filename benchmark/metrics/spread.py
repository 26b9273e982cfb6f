"""Spread of a row's number by its source: patients, trainings, label subsets, and what is left.

Each is a standard deviation: how far the number moves when this source alone is drawn again. Those of trainings and
subsets are estimates of a two-way analysis of variance without replication (Searle, Casella and McCulloch, Variance
Components, 1992, chapter 4), so the noise of a single cell is not counted as theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmark.metrics.paired import has_spread


@dataclass(frozen=True)
class Spread:
    """Standard deviations by source; None where the source was drawn once and its spread is unknown."""

    patients: float | None
    trainings: float | None
    subsets: float | None
    rest: float | None  # of one cell: the probe's own, and what a training makes of a subset

    def by_name(self) -> list[tuple[str, float | None]]:
        """Return each source by its name for readers."""
        return [
            ("patients", self.patients),
            ("trainings", self.trainings),
            ("label subsets", self.subsets),
            ("rest", self.rest),
        ]


def spread_by_source(values: np.ndarray, resampled: np.ndarray | None) -> Spread:
    """Return the spread of a row with `values` ``(members, subsets)``.

    `resampled` ``(resamples,)`` is the mean over all of them on each resample of patients, where records keep it. Where
    it is the same on all, the spread over patients is unknown.
    """
    patients = None
    if resampled is not None and has_spread(resampled):
        patients = float(np.nanstd(resampled, ddof=1))
    members, subsets = values.shape
    if members == 1 or subsets == 1:
        alone = float(values.std(ddof=1)) if values.size > 1 else None
        return Spread(patients, alone if members > 1 else None, alone if subsets > 1 else None, None)
    by_member, by_subset = values.mean(axis=1), values.mean(axis=0)
    residual = values - by_member[:, None] - by_subset + values.mean()
    rest = float((residual**2).sum()) / ((members - 1) * (subsets - 1))
    of_members = float(by_member.var(ddof=1)) - rest / subsets
    of_subsets = float(by_subset.var(ddof=1)) - rest / members
    return Spread(patients, math.sqrt(max(of_members, 0)), math.sqrt(max(of_subsets, 0)), math.sqrt(rest))
