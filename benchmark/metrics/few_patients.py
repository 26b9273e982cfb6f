"""Test sets of so few patients that a bootstrap over them says nothing.

Of one patient all resamples are equal: the standard error is 0, and any two rows would be separated. With two or three
it is far too small: on two patients it would separate two equal methods in 40 % of cases. Below six patients not even a
sign test could reach 5 %, since all of five agree by chance in 2 / 2^5 = 6 % of cases. So there is neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmark.api import Scores, Truth

FEWEST = 6
NO_TEST = "no intervals and no test"  # begins the note of a record that has neither


def without_uncertainty(scores: Scores, truth: Truth) -> Scores:
    """Return scores without the intervals and resamples of fewer than `FEWEST` patients, and with a note on them.

    Subgroups lose their own intervals alone. Scores of enough patients come back as they are.
    """
    count = len(set(map(str, truth.patient_ids)))
    scores = replace(scores, subgroups=_subgroups(scores.subgroups))
    if count >= FEWEST or not (scores.intervals or scores.resampled is not None):
        return scores
    patients = "one patient" if count == 1 else f"{count} patients, fewer than {FEWEST}"
    return replace(
        scores,
        intervals={},
        per_class={name: _without_intervals(values) for name, values in scores.per_class.items()},
        notes=[*scores.notes, f"{NO_TEST}: all test recordings are of {patients}"],
        resampled=None,
        resampling={},
    )


def _subgroups(subgroups: Mapping[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        attribute: {
            value: _without_intervals(part) if part.get("patients", FEWEST) < FEWEST else part
            for value, part in parts.items()
        }
        for attribute, parts in subgroups.items()
    }


def _without_intervals(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.endswith("interval")}
