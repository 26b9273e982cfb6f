"""Differences between two methods on the same patients, over all their trainings, corrected for many comparisons.

A difference is taken resample by resample, so what both methods find hard cancels out. Its variance has two parts. That
over patients is the variance of the resampled differences (Efron and Tibshirani, An Introduction to the Bootstrap,
1993, chapter 13). That over trainings is the variance between the members of a row, over their number; rows are trained
apart, so their parts add up. Resampling three members would not do: it finds two thirds of their variance. The p-value
is that of Student's t, with the degrees of freedom of Welch and Satterthwaite (Biometrics Bulletin 2, 1946), which is
the normal distribution where no row has several members.

Counting resamples beyond zero would not do either: it cannot go below 2 / 1,001, which Holm's correction over a few
dozen comparisons lifts above any level, so that no difference would ever be significant. Correction: Holm, A simple
sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from benchmark.metrics.statistics import interval

POWER = 0.8  # the usual one of Cohen, Statistical Power Analysis for the Behavioral Sciences (1988)


@dataclass(frozen=True)
class Sample:
    """A row's number on the test set: `value`, and its members' numbers on the same resamples of patients.

    `members` ``(M,)`` are the numbers of its trainings, `resampled` ``(M, resamples)`` those on each resample. A row
    with one member says nothing about another training.
    """

    value: float
    members: np.ndarray
    resampled: np.ndarray

    @classmethod
    def of_one(cls, value: float, resampled: np.ndarray) -> Sample:
        """Return the sample of a row that was trained once, with its number on each resample, ``(resamples,)``."""
        return cls(value, np.array([value]), resampled[None])


@dataclass(frozen=True)
class Difference:
    """Difference `value` = a - b on the test set, its 95 % interval, and the uncorrected two-sided p-value.

    `error` is its standard error, `freedom` the degrees of freedom: infinite where no row was trained several times.
    """

    value: float
    low: float
    high: float
    p: float
    error: float
    freedom: float

    def smallest(self, level: float, power: float = POWER) -> float:
        """Return the true difference that a test at this level would separate with this probability."""
        return float((t.isf(level / 2, self.freedom) + t.isf(1 - power, self.freedom)) * self.error)


NO_DIFFERENCE = Difference(0.0, 0.0, 0.0, p=1.0, error=0.0, freedom=math.inf)


def has_spread(resampled: np.ndarray) -> bool:
    """Whether the numbers that exist differ between resamples ``(..., resamples)``; if not, patients tell nothing."""
    usable = resampled[..., np.isfinite(resampled).reshape(-1, resampled.shape[-1]).all(axis=0)]
    return bool(usable.shape[-1] > 1 and np.ptp(usable, axis=-1).any())


def paired_difference(a: Sample, b: Sample) -> Difference | None:
    """Compare two rows over patients, and over the trainings of those with several members.

    Resamples on which either has no value are left out. None where fewer than two remain, or where the difference is
    the same on all of them, as with one patient: a standard error of 0 would separate anything. Rows with equal numbers
    everywhere have a p-value of 1.
    """
    usable = np.isfinite(a.resampled).all(axis=0) & np.isfinite(b.resampled).all(axis=0)
    first, second = (np.asarray(row.resampled[:, usable], dtype=np.float64) for row in (a, b))
    deltas = first.mean(axis=0) - second.mean(axis=0)
    value, trainings = a.value - b.value, [between_members(row.members) for row in (a, b) if len(row.members) > 1]
    if len(deltas) < 2:
        return None
    if not has_spread(deltas):
        return NO_DIFFERENCE if value == 0 and not deltas.any() else None
    if not trainings:
        error = float(deltas.std(ddof=1))
        return Difference(value, *interval(deltas), p=_two_sided(value, error, math.inf), error=error, freedom=math.inf)
    patients = max(float(deltas.var(ddof=1)) - patients_by_member(first) - patients_by_member(second), 0.0)
    total = patients + sum(variance for variance, _ in trainings)
    if not total:
        return NO_DIFFERENCE if value == 0 else None
    error, freedom = math.sqrt(total), _freedom(total, trainings)
    reach = float(t.isf(0.025, freedom)) * error
    return Difference(value, value - reach, value + reach, _two_sided(value, error, freedom), error, freedom)


def between_members(members: np.ndarray) -> tuple[float, int]:
    """Return the variance of the members' mean ``(M,) -> ()`` over trainings, and its degrees of freedom, M - 1."""
    return float(members.var(ddof=1)) / len(members), len(members) - 1


def patients_by_member(resampled: np.ndarray) -> float:
    """Return the variance over patients that the variance between members already contains.

    On one test set the members differ by their trainings, and by how each training suits these patients. The variance
    between members contains both parts, so the second one must not be added again: ``(M, resamples) -> ()``, 0 for a
    single member.
    """
    count = len(resampled)
    if count < 2:
        return 0.0
    apart = resampled - resampled.mean(axis=0)
    return float(apart.var(axis=1, ddof=1).sum()) / (count - 1) / count


def _freedom(total: float, trainings: Sequence[tuple[float, int]]) -> float:
    """Return the degrees of freedom of a sum of variances; the variance over patients counts as exact."""
    uncertain = sum(variance**2 / freedom for variance, freedom in trainings)
    return total**2 / uncertain if uncertain else math.inf


def _two_sided(value: float, error: float, freedom: float) -> float:
    """Return the p-value of a difference with this standard error, which is not 0."""
    if math.isinf(freedom):
        return float(2 * norm.sf(abs(value) / error))
    return float(2 * t.sf(abs(value) / error, freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the given order; comparing them with a level bounds the family-wise error."""
    order = np.argsort(p_values, kind="stable")
    count = len(order)
    adjusted, largest = [0.0] * count, 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
