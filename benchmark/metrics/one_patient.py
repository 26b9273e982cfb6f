"""A test set of one patient: there is a number, and nothing to say how far it would move with other patients.

Every resample of one patient is the test set itself. Intervals would have no width, and a paired test would call any
difference significant.
"""

from __future__ import annotations

from benchmark.api import Scores, Truth

NOTE = "no intervals and no test: all test recordings are of one patient"


def without_spread_of_one(scores: Scores, truth: Truth) -> Scores:
    """Take away intervals and resamples where they rest on one patient, in the test set or in a subgroup, in place."""
    for group in scores.subgroups.values():
        for entry in group.values():
            if entry.get("patients") == 1:
                entry.pop("interval", None)
    if len(set(truth.patient_ids)) > 1 or not (scores.intervals or scores.resampled is not None):
        return scores
    scores.intervals, scores.resampled, scores.resampling = {}, None, {}
    for entry in scores.per_class.values():
        for name in [name for name in entry if name.endswith("_interval")]:
            del entry[name]
    scores.notes.append(NOTE)
    return scores
