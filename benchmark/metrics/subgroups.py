"""The primary metric within subgroups (sex, age band, device, report language).

All values of an attribute are judged on the same classes, those that each of them can judge, so that two numbers side
by side differ in the recordings and not in the classes. A value with too few recordings has a reason in place of a
number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.api import Truth
from benchmark.metrics.classification import Bools, auroc, macro
from benchmark.metrics.statistics import bootstrap_macro_auroc, interval

MIN_RECORDINGS = 30
MIN_SIDE = 5  # positives, and negatives, that a class needs in every value
RESAMPLES = 400  # an interval of a part needs no more, and scoring stays fast


def score_subgroups(truth: Truth, scores: np.ndarray) -> dict[str, dict[str, dict[str, Any]]]:
    """Return attribute -> value -> ``n``, ``patients``, ``positives`` per class, and ``auroc_macro`` with ``interval``.

    Values are in the order of their names; recordings without a value are left out of the attribute. Where there is no
    number there is a ``reason``.
    """
    return {name: _attribute(truth, scores, np.asarray(of)) for name, of in truth.groups.items() if np.any(of != "")}


def _attribute(truth: Truth, scores: np.ndarray, of: np.ndarray) -> dict[str, dict[str, Any]]:
    patients = np.asarray(truth.patient_ids)
    members = {str(value): np.flatnonzero(of == value) for value in sorted(set(of) - {""})}
    usable = [_usable_classes(truth.labels[rows]) for rows in members.values() if len(rows) >= MIN_RECORDINGS]
    shared = np.logical_and.reduce(usable) if usable else np.zeros(len(truth.classes), bool)
    entries = {}
    for value, rows in members.items():
        labels = truth.labels[rows]
        entry: dict[str, Any] = {"n": len(rows), "patients": len(set(patients[rows]))}
        entry["positives"] = {c: int(k) for c, k in zip(truth.classes, labels.sum(axis=0), strict=True)}
        if len(rows) < MIN_RECORDINGS:
            entry["reason"] = f"fewer than {MIN_RECORDINGS} recordings"
        elif not shared.any():
            entry["reason"] = f"no class has {MIN_SIDE} positives and {MIN_SIDE} negatives in every value"
        else:
            entry |= _measure(labels[:, shared], scores[rows][:, shared], patients[rows])
            entry["classes"] = int(shared.sum())
        entries[value] = entry
    return entries


def _usable_classes(labels: np.ndarray) -> Bools:
    positives = labels.sum(axis=0)
    return np.asarray((positives >= MIN_SIDE) & (len(labels) - positives >= MIN_SIDE))


def _measure(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> dict[str, Any]:
    low, high = interval(bootstrap_macro_auroc(labels, scores, patients, RESAMPLES))
    return {"auroc_macro": round(macro(auroc(labels, scores)), 6), "interval": [round(low, 6), round(high, 6)]}
