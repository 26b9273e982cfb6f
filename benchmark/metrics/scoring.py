"""Score multi-label predictions against the truth, for linear probes, zero-shot and transfer alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.api import Scores, Truth
from benchmark.canonical import digest
from benchmark.metrics.calibration import BINS, expected_calibration_error, reliability
from benchmark.metrics.classification import auroc, average_precision, brier, f1_at, macro
from benchmark.metrics.statistics import (
    bootstrap_auroc,
    bootstrap_average_precision,
    bootstrap_macro_brier,
    bootstrap_macro_ece,
    bootstrap_macro_f1,
    interval,
    macro_replicates,
    patient_weights,
)
from benchmark.metrics.subgroups import score_subgroups

PRIMARY = "auroc_macro"
RESAMPLES, SEED = 1000, 0


def resampling(truth: Truth) -> dict[str, Any]:
    """Return the identity of a set of resamples: methods with equal ones have the same draws of the same patients."""
    recordings = sorted(zip(map(str, truth.record_ids), map(str, truth.patient_ids), strict=True))
    return {"resamples": RESAMPLES, "seed": SEED, "unit": "patient", "recordings": digest(recordings)}


def score_classes(
    truth: Truth,
    scores: np.ndarray,
    thresholds: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
    subset: Mapping[str, Any] | None = None,
) -> Scores:
    """Return macro and per-class metrics of ``(recording, class)`` scores, with 95 % intervals over patients.

    Macro means are over the classes with at least one positive and one negative in test; the notes name the others.
    `thresholds` come from validation; without them there is no F1, without `probabilities` neither Brier score nor
    calibration. `subset` is the summary of the labelled training subset, if there was one: of the classes in the means,
    the notes name those that it could not teach.
    """
    by_metric = {"auroc": auroc(truth.labels, scores), "auprc": average_precision(truth.labels, scores)}
    if thresholds is not None:
        by_metric["f1"] = f1_at(truth.labels, scores, thresholds)
    if probabilities is not None:
        by_metric["brier"] = brier(truth.labels, probabilities)
        by_metric["ece"] = expected_calibration_error(truth.labels, probabilities)
    usable = np.isfinite(by_metric["auroc"])
    metrics = {f"{name}_macro": macro(values[usable]) for name, values in by_metric.items() if usable.any()}
    result = Scores(metrics)
    positives = truth.labels.sum(axis=0)
    for index, name in enumerate(truth.classes):
        values = {metric: float(v[index]) if np.isfinite(v[index]) else None for metric, v in by_metric.items()}
        result.per_class[name] = {**values, "positives": int(positives[index])}
        if not usable[index]:
            result.per_class[name]["reason"] = f"no {'negative' if positives[index] else 'positive'} in test"
    unusable = [name for name, keep in zip(truth.classes, usable, strict=True) if not keep]
    if unusable:
        result.notes.append(
            f"not in the macro means, because test has no positive or no negative: {', '.join(unusable)}"
        )
    names = [name for name, is_usable in zip(truth.classes, usable, strict=True) if is_usable]
    result.notes += _untaught(subset, names)
    if thresholds is not None:
        result.notes += _never_called(names, thresholds[usable])
    if usable.any():
        _add_intervals(result, truth, scores, usable, thresholds, probabilities)
        result.subgroups = score_subgroups(truth, scores)
    if probabilities is not None:
        result.analysis["reliability"] = reliability(truth.labels, probabilities)
    return result


def _untaught(subset: Mapping[str, Any] | None, names: Sequence[str]) -> list[str]:
    """Name the classes in the means without a positive in the subset: each column has the same classes all the same."""
    absent = [name for name in names if subset is not None and not subset["positives"].get(name, 0)]
    if not absent or subset is None:
        return []
    which = f"the training subset of {100 * subset['fraction']:g} % (seed {subset['seed']})"
    return [f"in the macro means although {which} has no positive to learn them from: {', '.join(absent)}"]


def _never_called(names: Sequence[str], thresholds: np.ndarray) -> list[str]:
    absent = [name for name, threshold in zip(names, thresholds, strict=True) if np.isposinf(threshold)]
    reason = "never called, so that their F1 is 0, because validation has no positive"
    return [f"{reason}: {', '.join(absent)}"] if absent else []


def _add_intervals(
    result: Scores,
    truth: Truth,
    scores: np.ndarray,
    usable: np.ndarray,
    thresholds: np.ndarray | None,
    probabilities: np.ndarray | None,
) -> None:
    """Add 95 % intervals over the same resamples of patients: every macro metric, AUROC and AUPRC per class."""
    labels, usable_scores = truth.labels[:, usable], scores[:, usable]
    draws = (truth.patient_ids, RESAMPLES, SEED)
    replicates = {
        "auroc": bootstrap_auroc(labels, usable_scores, *draws),
        "auprc": bootstrap_average_precision(labels, usable_scores, *draws),
    }
    for metric, values in replicates.items():
        result.intervals[f"{metric}_macro"] = interval(macro_replicates(values))
        for column, index in enumerate(np.flatnonzero(usable)):
            low, high = interval(values[:, column])
            result.per_class[truth.classes[index]][f"{metric}_interval"] = [round(low, 6), round(high, 6)]
    result.resampled, result.resampling = macro_replicates(replicates["auroc"]), resampling(truth)
    weights = patient_weights(*draws)
    if thresholds is not None:
        result.intervals["f1_macro"] = interval(bootstrap_macro_f1(labels, usable_scores, thresholds[usable], weights))
    if probabilities is not None:
        usable_probabilities = probabilities[:, usable]
        result.intervals["brier_macro"] = interval(bootstrap_macro_brier(labels, usable_probabilities, weights))
        result.intervals["ece_macro"] = interval(bootstrap_macro_ece(labels, usable_probabilities, weights, BINS))
