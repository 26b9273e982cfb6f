"""Score multi-label predictions against the truth: what linear probes and zero-shot share."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.api import Scores, Truth
from benchmark.canonical import digest
from benchmark.metrics.classification import auroc, average_precision, brier, f1_at, macro
from benchmark.metrics.statistics import bootstrap_macro_auroc, interval

PRIMARY = "auroc_macro"
RESAMPLES, SEED = 1000, 0


def resampling(truth: Truth) -> dict[str, Any]:
    """What names a set of resamples: two methods with equal ones were scored on the same draws of the same patients."""
    recordings = sorted(zip(map(str, truth.record_ids), map(str, truth.patient_ids), strict=True))
    return {"resamples": RESAMPLES, "seed": SEED, "unit": "patient", "recordings": digest(recordings)}


def score_classes(
    truth: Truth,
    scores: np.ndarray,
    thresholds: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
) -> Scores:
    """Macro and per-class metrics of ``(recording, class)`` scores, with a 95 % interval over patients.

    Macro means run over the classes with at least one positive and one negative in test; the others are
    named in the notes. `thresholds` come from validation; without them there is no F1, without
    `probabilities` no Brier score.
    """
    found = {"auroc": auroc(truth.labels, scores), "auprc": average_precision(truth.labels, scores)}
    if thresholds is not None:
        found["f1"] = f1_at(truth.labels, scores, thresholds)
    if probabilities is not None:
        found["brier"] = brier(truth.labels, probabilities)
    usable = np.isfinite(found["auroc"])
    result = Scores(metrics={f"{name}_macro": macro(values[usable]) for name, values in found.items() if usable.any()})
    positives = truth.labels.sum(axis=0)
    for index, name in enumerate(truth.classes):
        values = {metric: float(v[index]) if np.isfinite(v[index]) else None for metric, v in found.items()}
        result.per_class[name] = {**values, "positives": int(positives[index])}
    dropped = [name for name, kept in zip(truth.classes, usable, strict=True) if not kept]
    if dropped:
        result.notes.append(
            f"not in the macro means, because test has no positive or no negative: {', '.join(dropped)}"
        )
    if usable.any():
        replicates = bootstrap_macro_auroc(truth.labels, scores, truth.patient_ids, RESAMPLES, SEED)
        result.intervals[PRIMARY] = interval(replicates)
        result.resampled, result.resampling = replicates, resampling(truth)
    return result
