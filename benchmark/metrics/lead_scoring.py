"""Scores of localisation: does hiding a lead in which a finding is said to be lower its score more than hiding another?

Each recording with a present finding and named leads is compared with itself. A drop is what a finding's score loses
when one lead reads 0 mV, in standard deviations of that score over the recordings where the finding is known. So the
drops of several methods have one unit. The interval is over patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.api import Scores, Truth
from benchmark.errors import BenchmarkError
from benchmark.metrics.classification import Floats
from benchmark.metrics.finding_scoring import known_labels
from benchmark.metrics.scoring import RESAMPLES, SEED, resampling
from benchmark.metrics.statistics import interval, patient_weights

PRIMARY = "lead_difference"
USUAL = 0.5  # share of a finding's recordings that name a lead, from which on it is usual for that finding


@dataclass(frozen=True)
class Pairs:
    """Recordings with a finding each: what hiding named leads takes away against other leads, ``(entry,)``."""

    recordings: NDArray[np.intp]
    findings: NDArray[np.intp]
    differences: Floats
    shares: Floats  # of the pairs of a named and another lead in which the named one takes away more


def score_leads(truth: Truth, scores: Floats, hidden: Floats) -> Scores:
    """Return the mean difference of drops between named and other leads, with intervals over patients.

    `scores` are ``(recording, class)``, `hidden` ``(recording, lead, class)`` with one lead hidden. Beside the primary
    metric: the share of pairs of leads that are in the right order, and the same difference where the finding is
    absent, for the leads that are usual for it. Raises `BenchmarkError` where the truth names no leads.
    """
    if truth.leads is None:
        raise BenchmarkError(f"{truth.label_set} names no leads: there is nothing to locate")
    drops = (scores[:, None] - hidden) / _spread(truth, scores)
    usual = _usual_leads(truth)
    present = _pairs(truth.labels == 1, truth.leads, drops)
    absent = _pairs(truth.labels == 0, np.broadcast_to(usual, truth.leads.shape), drops)
    result = Scores({}, per_class=_by_finding(truth, present))
    result.notes.append(
        "difference of drops in standard deviations of a finding's score: a named lead hidden, against another one"
    )
    if not len(present.differences):
        result.notes.append("no finding that is present names leads here: there is nothing to locate")
        return result
    values = {PRIMARY: (present, present.differences), "auroc_leads": (present, present.shares)}
    if len(absent.differences):
        values["lead_difference_absent"] = absent, absent.differences
    result.metrics = {name: float(numbers.mean()) for name, (_, numbers) in values.items()}
    result.analysis["pairs"] = {"present": len(present.differences), "absent": len(absent.differences)}
    if len({truth.patient_ids[row] for row in present.recordings}) < 2:
        result.notes.append("no intervals and no test: all findings with named leads are of one patient")
        return result
    weights = patient_weights(truth.patient_ids, RESAMPLES, SEED)
    replicates = {name: _means(weights[:, pairs.recordings], numbers) for name, (pairs, numbers) in values.items()}
    result.intervals = {name: interval(of_metric) for name, of_metric in replicates.items()}
    result.resampled, result.resampling = replicates[PRIMARY], resampling(truth)
    return result


def _spread(truth: Truth, scores: Floats) -> Floats:
    """Return the standard deviation of each finding's score where it is known, ``(class,)``; 1 where there is none."""
    is_known = known_labels(truth.labels)
    spread = np.ones(scores.shape[1])
    for place, rows in enumerate(is_known.T):
        deviation = scores[rows, place].std() if rows.any() else 0.0
        spread[place] = deviation if deviation > 0 else 1.0
    return spread


def _usual_leads(truth: Truth) -> NDArray[np.bool_]:
    """Return for each finding the leads that most of its recordings name, ``(class, lead)``."""
    assert truth.leads is not None
    naming = truth.leads.any(axis=2).sum(axis=0)[:, None]
    return np.asarray(truth.leads.sum(axis=0) >= USUAL * np.maximum(naming, 1))


def _pairs(is_entry: NDArray[np.bool_], leads: NDArray[np.bool_], drops: Floats) -> Pairs:
    """Compare named and other leads of every entry that has both; `drops` are ``(recording, lead, class)``."""
    rows, places = np.nonzero(is_entry & leads.any(axis=2) & ~leads.all(axis=2))
    differences, shares = np.zeros(len(rows)), np.zeros(len(rows))
    for number, (row, place) in enumerate(zip(rows, places, strict=True)):
        of_entry = drops[row, :, place]
        is_named = leads[row, place] == 1
        gap = of_entry[is_named][:, None] - of_entry[~is_named][None]
        differences[number] = gap.mean()
        shares[number] = ((gap > 0) + (gap == 0) / 2).mean()
    return Pairs(rows, places, differences, shares)


def _by_finding(truth: Truth, pairs: Pairs) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(truth.classes):
        own = pairs.differences[pairs.findings == place]
        if len(own):
            entries[name] = {PRIMARY: round(float(own.mean()), 6), "recordings": len(own)}
    return entries


def _means(weights: NDArray[Any], values: Floats) -> Floats:
    """Return the mean under each row of `weights` ``(resamples, entry)``; NaN for one without any weight."""
    total = weights.sum(axis=1)
    return np.where(total > 0, weights @ values / np.maximum(total, 1), np.nan)
