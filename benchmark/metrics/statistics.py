"""Confidence intervals by bootstrap over patients: a patient's recordings are drawn together.

A resample is a vector of weights (how often each recording's patient was drawn). So every class is ranked once, and
1,000 resamples are sums of weights in that order. Cluster bootstrap: Field and Welsh, Bootstrapping clustered data,
JRSS B 69 (2007); percentile interval: Efron and Tibshirani (1993).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import BenchmarkError
from benchmark.metrics.calibration import bin_of
from benchmark.metrics.classification import Bools, Floats, validate

Singles = NDArray[np.float32]
Patients = Sequence[str] | NDArray[np.generic]
CHUNK = 2**19  # recordings x resamples worked on at once: 2 MB of float32, so that it stays in the cache
BLOCK = 16


def patient_weights(patient_ids: Patients, resamples: int = 1000, seed: int = 0) -> NDArray[np.int32]:
    """Draw patients with replacement; return how often each recording counts, ``(resamples, n)``.

    The result depends on the patient ids and the seed alone (not on labels, scores, or the order of the recordings), so
    two methods scored on the same recordings get the same resamples. Raises `BenchmarkError` when there is no recording
    or no resample.
    """
    patients, owner = np.unique(np.asarray(patient_ids), return_inverse=True)
    if not patients.size or resamples < 1:
        raise BenchmarkError(f"cannot draw {resamples} resamples from {patients.size} patients")
    rng = np.random.default_rng(seed)
    weights = np.empty((resamples, owner.size), dtype=np.int32)
    for row in weights:
        row[:] = np.bincount(rng.integers(patients.size, size=patients.size), minlength=patients.size)[owner]
    return weights


def bootstrap_auroc(
    labels: ArrayLike, scores: ArrayLike, patient_ids: Patients, resamples: int = 1000, seed: int = 0
) -> Floats:
    """Return the AUROC of every class in every resample: ``(n, C), (n, C), (n,) -> (resamples, C)``.

    Ties count 1/2, exactly. NaN where a resample has no positive or no negative of a class. Raises as `auroc` and
    `patient_weights` do.
    """
    truth, values = validate(labels, scores)
    rankings = [_Ranking(truth[:, c], values[:, c]) for c in range(truth.shape[1])]
    return _bootstrap(rankings, truth, patient_ids, resamples, seed)


def bootstrap_average_precision(
    labels: ArrayLike, scores: ArrayLike, patient_ids: Patients, resamples: int = 1000, seed: int = 0
) -> Floats:
    """Return the average precision of every class in every resample: ``(n, C), (n, C), (n,) -> (resamples, C)``.

    NaN where `bootstrap_auroc` is NaN. Raises as it does.
    """
    truth, values = validate(labels, scores)
    rankings = [_PrecisionRanking(truth[:, c], values[:, c]) for c in range(truth.shape[1])]
    return _bootstrap(rankings, truth, patient_ids, resamples, seed)


def _bootstrap(
    rankings: Sequence[_Ranking | _PrecisionRanking], truth: Bools, patient_ids: Patients, resamples: int, seed: int
) -> Floats:
    """Return each class's metric in each resample, ``(resamples, C)``, in chunks that stay in the cache."""
    if len(patient_ids) != len(truth):
        raise BenchmarkError(f"{len(patient_ids)} patient ids for {len(truth)} recordings")
    weights = patient_weights(patient_ids, resamples, seed)
    result = np.empty((resamples, len(rankings)))
    step = max(1, CHUNK // len(truth))
    for start in range(0, resamples, step):
        chunk = weights[start : start + step].T.astype(np.float32)  # (recording, resample)
        scratch = _scratch(chunk)
        for c, ranking in enumerate(rankings):
            result[start : start + step, c] = ranking.value(chunk, scratch)
    return result


def bootstrap_macro_auroc(
    labels: ArrayLike, scores: ArrayLike, patient_ids: Patients, resamples: int = 1000, seed: int = 0
) -> Floats:
    """Return the mean of `bootstrap_auroc` over the classes with a value in that resample: ``(resamples,)``.

    NaN for a resample in which no class has one.
    """
    return macro_replicates(bootstrap_auroc(labels, scores, patient_ids, resamples, seed))


def macro_replicates(values: Floats) -> Floats:
    """Return the mean over the classes with a value, per resample: ``(resamples, C) -> (resamples,)``; else NaN."""
    present = ~np.isnan(values)
    count = present.sum(axis=1)
    total = np.where(present, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def bootstrap_macro_f1(
    labels: ArrayLike, scores: ArrayLike, thresholds: ArrayLike, weights: NDArray[np.int32]
) -> Floats:
    """Return the macro F1 of ``score >= threshold`` under each row of `weights` ``(resamples, n)``: ``(resamples,)``.

    A class without a positive in a resample is left out of that resample's mean.
    """
    truth, values = validate(labels, scores)
    calls = values >= np.asarray(thresholds, dtype=np.float64)
    hits, positives, call_counts = (_weighted(weights, which) for which in (truth & calls, truth, calls))
    f1 = 2 * hits / np.maximum(positives + call_counts, 1)
    return macro_replicates(np.where(positives > 0, f1, np.nan))


def bootstrap_macro_brier(labels: ArrayLike, probabilities: ArrayLike, weights: NDArray[np.int32]) -> Floats:
    """Return the macro Brier score under each row of `weights` ``(resamples, n)``: ``(resamples,)``."""
    truth, values = validate(labels, probabilities)
    return _weighted(weights, (values - truth) ** 2).mean(axis=1) / weights.sum(axis=1)


def bootstrap_macro_ece(labels: ArrayLike, probabilities: ArrayLike, weights: NDArray[np.int32], bins: int) -> Floats:
    """Return the macro calibration error under each row of `weights` ``(resamples, n)``: ``(resamples,)``."""
    truth, values = validate(labels, probabilities)
    inside, gap = bin_of(values, bins), values - truth
    total = sum(np.abs(_weighted(weights, np.where(inside == b, gap, 0.0))) for b in range(bins))
    return np.asarray(total).mean(axis=1) / weights.sum(axis=1)


def _weighted(weights: NDArray[np.int32], values: NDArray[np.generic]) -> Floats:
    """Return ``(resamples, n) @ (n, C)`` in double precision."""
    return np.asarray(weights.astype(np.float64) @ values.astype(np.float64))


def interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval (low, high) of the values that are not NaN; (NaN, NaN) if all are."""
    if not 0 < level < 1:
        raise BenchmarkError(f"level must lie between 0 and 1, got {level}")
    numbers = np.asarray(values, dtype=np.float64).ravel()
    numbers = numbers[~np.isnan(numbers)]
    if not numbers.size:
        return float("nan"), float("nan")
    low, high = np.quantile(numbers, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


class _Ranking:
    """One class, ranked once: the recordings of the rarer side, and their places among the other side."""

    def __init__(self, truth: Bools, values: Floats) -> None:
        # AUROC(labels, scores) = AUROC(not labels, -scores): look up whichever side is smaller
        flip = truth.sum() * 2 > truth.size
        truth, values = (~truth, -values) if flip else (truth, values)
        others = np.flatnonzero(~truth)
        self.others = others[np.argsort(values[others], kind="stable")]
        self.members = np.flatnonzero(truth)
        other_values, member_values = values[self.others], values[self.members]
        self.below = np.searchsorted(other_values, member_values, side="left")
        self.upto = np.searchsorted(other_values, member_values, side="right")
        self.tied = bool((self.below != self.upto).any())

    def value(self, weights: Singles, scratch: Singles) -> Floats:
        """Return AUROC ``(resample,)`` for weights ``(recording, resample)``; NaN where a side has no weight."""
        sums = _running_sums(weights, self.others, scratch)
        members = weights[self.members].astype(np.float64)
        wins = np.einsum("ir,ir->r", members, sums[self.below])
        if self.tied:
            wins = (wins + np.einsum("ir,ir->r", members, sums[self.upto])) / 2
        pairs = members.sum(axis=0) * sums[-1]
        return np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan)


class _PrecisionRanking:
    """One class, ranked once by falling score: its positives, and the recordings at or above each of them."""

    def __init__(self, truth: Bools, values: Floats) -> None:
        self.order = np.argsort(-values, kind="stable")
        self.members = self.order[truth[self.order]]
        descending, positives = -values[self.order], -values[self.members]
        self.upto = np.searchsorted(descending, positives, side="right")  # recordings with this score or a higher one
        self.hits = np.searchsorted(positives, positives, side="right")  # positives among them

    def value(self, weights: Singles, scratch: Singles) -> Floats:
        """Return average precision ``(resample,)`` for weights ``(recording, resample)``; NaN as for AUROC."""
        if not self.members.size:
            return np.full(weights.shape[1], np.nan)
        above = _running_sums(weights, self.order, scratch)
        total, calls = above[-1].astype(np.float64), above[self.upto].astype(np.float64)
        positives_above = _running_sums(weights, self.members, scratch)
        positive, hits = positives_above[-1].astype(np.float64), positives_above[self.hits].astype(np.float64)
        precision = hits / np.maximum(calls, 1)  # a positive without weight adds nothing, whatever its precision
        total_precision = np.einsum("ir,ir->r", weights[self.members].astype(np.float64), precision)
        usable = (positive > 0) & (positive < total)
        return np.where(usable, total_precision / np.maximum(positive, 1), np.nan)


def _scratch(weights: Singles) -> Singles:
    """Allocate the arrays of `_running_sums` once: fresh pages cost more than the sums."""
    return np.zeros((2, len(weights) + BLOCK + 1, weights.shape[1]), dtype=np.float32)


def _running_sums(weights: Singles, order: NDArray[np.intp], scratch: Singles) -> Singles:
    """Return cumulative sums of rows of `weights` in that order, zeros first: row k sums the first k rows.

    Exact for whole numbers below 2**24. Blocks of rows times a triangle of ones are 8 times faster here than
    `numpy.cumsum` along the first axis.
    """
    blocks = -(-len(order) // BLOCK)
    rows: Singles
    sums: Singles
    rows, sums = scratch[:, : blocks * BLOCK + 1]  # row 0 stays zero in both
    np.take(weights, order, axis=0, out=rows[1 : len(order) + 1], mode="clip")  # "clip": no buffer
    rows[len(order) + 1 :] = 0
    block_sums = sums[1:].reshape(blocks, BLOCK, -1)
    np.matmul(np.tri(BLOCK, dtype=np.float32), rows[1:].reshape(blocks, BLOCK, -1), out=block_sums)
    for before, block in itertools.pairwise(block_sums):
        block += before[-1]
    return sums
