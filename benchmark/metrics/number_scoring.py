"""Score predicted numbers against the truth: metrics with intervals over patients, and their values by subgroup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.api import Scores, Truth
from benchmark.errors import BenchmarkError
from benchmark.metrics.regression import bootstrap, score
from benchmark.metrics.scoring import RESAMPLES, SEED, resampling
from benchmark.metrics.statistics import interval, patient_weights
from benchmark.metrics.subgroups import MIN_RECORDINGS
from benchmark.metrics.subgroups import RESAMPLES as FEWER

PRIMARY = "mae"
REASONS = {
    "r2": "the numbers of test are all the same",
    "spearman": "the numbers of test, or the predictions (as of a constant baseline), are all the same",
}


def score_numbers(truth: Truth, predictions: np.ndarray, subset: Mapping[str, Any] | None = None) -> Scores:
    """Return MAE, R2 and Spearman's correlation of ``(recording,)`` predictions, with 95 % intervals over patients.

    A metric that is undefined is left out, with a note. Where test has a single patient there is no interval, and no
    resample to test against. `subset` is the summary of the training subset, if there was one.
    """
    if truth.values is None or truth.target is None:
        raise BenchmarkError(f"{truth.label_set} has no numbers to score against")
    values, unit = truth.values, truth.target.unit
    metrics = score(values, predictions)
    result = Scores({name: value for name, value in metrics.items() if np.isfinite(value)})
    result.notes.append(f"MAE in {unit}, lower is better")
    result.notes += [f"no {name}: {why}" for name, why in REASONS.items() if name not in result.metrics]
    if subset is not None and len([count for count in subset["positives"].values() if count]) == 1:
        result.notes.append("the training subset has numbers of a single range: the probe can hardly learn from it")
    result.analysis = {
        "unit": unit,
        "truth": {"mean": round(float(values.mean()), 6), "sd": round(float(values.std()), 6)},
    }
    patients = np.asarray(truth.patient_ids)
    if len(set(patients)) < 2:
        result.notes.append("no intervals and no test: all test recordings are of one patient")
        return result
    replicates = bootstrap(values, predictions, patient_weights(patients, RESAMPLES, SEED))
    result.intervals = {name: interval(replicates[name]) for name in result.metrics}
    result.resampled, result.resampling = replicates[PRIMARY], resampling(truth)
    result.subgroups = _subgroups(truth, predictions)
    return result


def _subgroups(truth: Truth, predictions: np.ndarray) -> dict[str, dict[str, dict[str, Any]]]:
    """Return attribute -> value -> ``n``, ``patients``, and ``mae`` with ``interval`` or a ``reason``."""
    attributes = {name: np.asarray(of) for name, of in truth.groups.items() if np.any(np.asarray(of) != "")}
    return {
        name: {str(value): _group(truth, predictions, np.flatnonzero(of == value)) for value in sorted(set(of) - {""})}
        for name, of in attributes.items()
    }


def _group(truth: Truth, predictions: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    assert truth.values is not None
    patients = np.asarray(truth.patient_ids)[rows]
    entry: dict[str, Any] = {"n": len(rows), "patients": len(set(patients))}
    if len(rows) < MIN_RECORDINGS:
        return {**entry, "reason": f"fewer than {MIN_RECORDINGS} recordings"}
    errors = np.abs(truth.values[rows] - predictions[rows])
    weights = patient_weights(patients, FEWER).astype(np.float64)
    low, high = interval(weights @ errors / weights.sum(axis=1))
    return {**entry, "mae": round(float(errors.mean()), 6), "interval": [round(low, 6), round(high, 6)]}
