"""Scores of findings that are known of some recordings only: AUROC over what is known, with intervals over patients.

A finding counts where it has at least `LEAST` recordings of each sign. Macro means are over these findings, all of them
and by kind. Every finding is resampled by the same draws of patients; one without a sign in a draw is left out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.api import Scores, Truth
from benchmark.errors import BenchmarkError
from benchmark.metrics.classification import Floats, auroc, macro
from benchmark.metrics.scoring import RESAMPLES, SEED, resampling
from benchmark.metrics.statistics import interval, macro_replicates, patient_weights

PRIMARY = "auroc_macro"
LEAST = 10  # recordings of each sign


def known_labels(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which labels are known, ``(n, C)``; raise `BenchmarkError` for values other than 0, 1 and NaN."""
    values = np.asarray(labels, np.float64)
    is_known = ~np.isnan(values)
    if values.ndim != 2 or not np.isin(values[is_known], (0, 1)).all():
        raise BenchmarkError("labels must be (recording, class): 0, 1, or NaN where they are unknown")
    return np.asarray(is_known)


def score_findings(truth: Truth, scores: Floats) -> Scores:
    """Return AUROC of ``(recording, class)`` scores: macro, by kind and by finding, with 95 % intervals over patients.

    Raises `BenchmarkError` for scores that are not finite and for shapes that do not fit.
    """
    is_known = known_labels(truth.labels)
    if scores.shape != truth.labels.shape or not np.isfinite(scores).all():
        raise BenchmarkError(f"scores must be finite and {truth.labels.shape}, as the labels; got {scores.shape}")
    result = Scores({})
    values = np.full(len(truth.classes), np.nan)
    for place, name in enumerate(truth.classes):
        result.per_class[name] = entry = _counts(truth, place, is_known[:, place])
        if "reason" not in entry:
            rows = is_known[:, place]
            values[place] = auroc(truth.labels[rows, place][:, None], scores[rows, place][:, None])[0]
            entry["auroc"] = float(values[place])
    is_scored = np.isfinite(values)
    result.notes += _notes(truth, is_scored)
    if not is_scored.any():
        return result
    groups = {PRIMARY: is_scored, **_by_kind(truth, is_scored)}
    result.metrics = {name: macro(values[members]) for name, members in groups.items()}
    result.analysis["findings"] = {name: int(members.sum()) for name, members in groups.items()}
    if len(set(truth.patient_ids)) < 2:
        result.notes.append("no intervals and no test: all test recordings are of one patient")
        return result
    replicates = bootstrap_known_auroc(truth, scores, is_scored)
    for place in map(int, np.flatnonzero(is_scored)):
        low, high = interval(replicates[:, place])
        result.per_class[truth.classes[place]]["auroc_interval"] = [round(low, 6), round(high, 6)]
    result.intervals = {name: interval(macro_replicates(replicates[:, part])) for name, part in groups.items()}
    result.resampled, result.resampling = macro_replicates(replicates[:, is_scored]), resampling(truth)
    return result


def bootstrap_known_auroc(truth: Truth, scores: Floats, is_scored: NDArray[np.bool_]) -> Floats:
    """Return the AUROC of every finding in every resample of the patients, ``(resamples, C)``; NaN where undefined.

    A finding has few known recordings, so every pair of a positive and a negative one is compared once.
    """
    weights = patient_weights(truth.patient_ids, RESAMPLES, SEED)
    replicates = np.full((len(weights), scores.shape[1]), np.nan)
    for place in np.flatnonzero(is_scored):
        present, absent = (np.flatnonzero(truth.labels[:, place] == sign) for sign in (1, 0))
        gap = scores[present, place][:, None] - scores[absent, place][None]
        wins = (gap > 0) + (gap == 0) / 2
        upper, lower = weights[:, present].astype(np.float64), weights[:, absent].astype(np.float64)
        pairs = upper.sum(axis=1) * lower.sum(axis=1)
        total = ((upper @ wins) * lower).sum(axis=1)
        replicates[:, place] = np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)
    return replicates


def _counts(truth: Truth, place: int, is_known: NDArray[np.bool_]) -> dict[str, Any]:
    labels = truth.labels[is_known, place]
    entry: dict[str, Any] = {
        "auroc": None,
        "kind": truth.kinds.get(truth.classes[place], ""),
        "positives": int((labels == 1).sum()),
        "negatives": int((labels == 0).sum()),
    }
    few = [sign for sign in ("positives", "negatives") if entry[sign] < LEAST]
    if few:
        entry["reason"] = f"fewer than {LEAST} {' and '.join(few)} are known"
    return entry


def _by_kind(truth: Truth, is_scored: NDArray[np.bool_]) -> Mapping[str, NDArray[np.bool_]]:
    """Return the metric of each kind with its scored findings, in the order of the kinds; none without one."""
    kinds = np.array([truth.kinds.get(name, "") for name in truth.classes])
    groups = {f"auroc_{kind}": is_scored & (kinds == kind) for kind in dict.fromkeys(kinds) if kind}
    return {name: members for name, members in groups.items() if members.any()}


def _notes(truth: Truth, is_scored: NDArray[np.bool_]) -> list[str]:
    left_out = [name for name, scored in zip(truth.classes, is_scored, strict=True) if not scored]
    if not left_out:
        return []
    share = f"{len(left_out)} of {len(truth.classes)} findings"
    return [f"{share} are not scored, for fewer than {LEAST} known recordings of a sign: {'; '.join(left_out)}"]
