"""Whether a prepared dataset holds the recordings that its card promises; where it does not, every table says so.

What a loader leaves out by its own rule (`RecordingEntry.excluded`: a report too short, a recording that MERL's files
do not list) is no lack; what is missing, broken or flat is one, from `TOLERATED` on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.api import Dataset

MARK = "INCOMPLETE DATA"
TOLERATED = 0.01  # of the recordings: so many may be broken in a complete download
OLD_RULES = (
    "its report has fewer than ",
    "MERL's files do not list it",
)  # as older preparations noted what they excluded


def expected_recordings(dataset: Dataset, excluded: int) -> int | None:
    """Return how many recordings a complete preparation with these options holds; None where nobody knows."""
    if dataset.expected is not None:
        return dataset.expected
    complete = dataset.card.recordings
    return None if complete is None else complete - excluded


def lacking(recordings: int, expected: int | None) -> bool:
    """Whether so many recordings are clearly fewer than expected."""
    return expected is not None and recordings < (1 - TOLERATED) * expected


def warning(dataset: str, recordings: int, expected: int) -> str:
    """Return the sentence that goes into every record made from such data."""
    return f"{MARK}: {dataset} was prepared with {recordings:,} of its {expected:,} recordings"


def warnings_among(notes: Iterable[str]) -> list[str]:
    """Return those of a record's notes that say so."""
    return [note for note in notes if note.startswith(MARK)]


def excluded_before(preparation_log: bytes) -> int:
    """Count what an older version left out by a rule of the loader; its manifest does not say it."""
    left_out: list[Mapping[str, Any]] = json.loads(preparation_log)["left_out"]
    return sum(str(recording["problem"]).startswith(OLD_RULES) for recording in left_out)
