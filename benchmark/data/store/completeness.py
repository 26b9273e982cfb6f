"""Completeness of a prepared dataset against its card; every table carries a warning about an incomplete one.

Recordings that a loader excludes by its own rule do not count as missing (`RecordingEntry.excluded`: a report too
short, a recording that MERL's files do not list). Missing, broken and flat ones do, from `TOLERATED` on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.api import Dataset

MARK = "INCOMPLETE DATA"
TOLERATED = 0.01  # share of the recordings that may be broken in a complete download
OLD_RULES = (
    "its report has fewer than ",
    "MERL's files do not list it",
)  # how older preparations noted excluded recordings


def expected_recordings(dataset: Dataset, excluded: int) -> int | None:
    """Return how many recordings a complete preparation with these options holds; None if unknown."""
    if dataset.expected is not None:
        return dataset.expected
    complete = dataset.card.recordings
    return None if complete is None else complete - excluded


def lacking(recordings: int, expected: int | None) -> bool:
    """Whether `recordings` falls short of `expected` by more than `TOLERATED`."""
    return expected is not None and recordings < (1 - TOLERATED) * expected


def warning(dataset: str, recordings: int, expected: int) -> str:
    """Return the warning that goes into every record made from incomplete data."""
    return f"{MARK}: {dataset} was prepared with {recordings:,} of its {expected:,} recordings"


def warnings_among(notes: Iterable[str]) -> list[str]:
    """Return the notes that warn of incomplete data."""
    return [note for note in notes if note.startswith(MARK)]


def excluded_before(preparation_log: bytes) -> int:
    """Count the recordings that an older version excluded by a loader's rule; its manifest lacks the number."""
    left_out: list[Mapping[str, Any]] = json.loads(preparation_log)["left_out"]
    return sum(str(recording["problem"]).startswith(OLD_RULES) for recording in left_out)
