"""How long a cell takes, by earlier records under the same home; where there is none, by a stated default."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.paths import Home
from benchmark.records.index import Entry

# seconds, where nothing was measured yet: long enough that a first job is not cut
DEFAULTS = {"pretrain": 4 * 3600.0, "features": 600.0, "probe": 30.0, "train": 900.0, "report": 1800.0}
STARTUP = 60.0  # seconds of a job before its first cell: Python, libraries, the method


class Estimate(NamedTuple):
    """Expected seconds, and from how many earlier ones (0: the default)."""

    seconds: float
    seen: int


class Estimates:
    """Means of what was measured: by method and task, else by task; for pre-training and features by method."""

    def __init__(self, entries: Iterable[Entry], home: Home) -> None:
        self._cells: dict[tuple[str, str], list[float]] = defaultdict(list)
        for entry in entries:
            if entry.done:
                self._cells[entry.method, entry.task].append(entry.seconds)
                self._cells["", entry.task].append(entry.seconds)
        self._pretraining = _by_method(home.pretrained, "*/card.json")
        self._features = _by_method(home.features, "*.json", _extraction)

    def cell(self, method: str, task: str, stage: str) -> Estimate:
        """One cell whose features are at hand."""
        for key in ((method, task), ("", task)):
            if self._cells.get(key):
                return _mean(self._cells[key])
        return Estimate(DEFAULTS[stage], 0)

    def features(self, method: str) -> Estimate:
        """One pass over a dataset's signals."""
        return _mean(self._features[method]) if method in self._features else Estimate(DEFAULTS["features"], 0)

    def pretraining(self, method: str) -> Estimate:
        known = self._pretraining
        return _mean(known[method]) if method in known else Estimate(DEFAULTS["pretrain"], 0)


def _by_method(
    folder: Path, pattern: str, seconds_of: Callable[[Path, Any], float] = lambda _, card: float(card["seconds"])
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for path in folder.glob(pattern):
        try:
            card = json.loads(path.read_text("utf-8"))
            method, seconds = card["method"], seconds_of(path, card)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a file of another kind
        found.setdefault(method, []).append(seconds)
    return found


def _extraction(path: Path, card: Any) -> float:
    """Seconds of one pass: the cache keeps them per recording, and a row of the array beside it is one."""
    rows = len(np.load(path.with_suffix(".npy"), mmap_mode="r"))
    return float(card["cost"]["feature_seconds"]) * rows


def _mean(values: list[float]) -> Estimate:
    return Estimate(sum(values) / len(values), len(values))
