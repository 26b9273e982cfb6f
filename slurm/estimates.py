"""How long a cell takes, by what was measured under the same home; where nothing fits, by a stated default.

A time serves for the same recipe alone (method, task and their options; of weights the training too) and is scaled by
the number of recordings. Synthetic and partial runs serve for their like alone: what takes seconds on sixty made-up
recordings says nothing about a night on real ones.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.api import SupervisedMethod
from benchmark.canonical import digest
from benchmark.data.store.prepared import MANIFEST
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from benchmark.planning.plan import Cell
from benchmark.planning.pretrained import CARD, weight_options
from benchmark.records.index import Entry
from benchmark.records.spec import RunSpec, cost_recipe
from benchmark.registry import METHODS
from slurm.recordings import Recordings

# seconds, where nothing was measured yet: long enough that a first job is not cut
DEFAULTS = {"pretrain": 4 * 3600.0, "features": 600.0, "probe": 30.0, "train": 900.0, "report": 1800.0}
ANY_METHOD = ("probe", "report")  # stages whose time hangs on the task more than on the method
STARTUP = 60.0  # seconds of a job before its first cell: Python, libraries, the method
ALIKE = 0.1  # measured times of so similar sizes are taken before those that must be scaled further


class Estimate(NamedTuple):
    """Expected seconds, and from how many earlier ones (0: the default)."""

    seconds: float
    seen: int


class Run(NamedTuple):
    """Seconds that so many recordings took."""

    recordings: float
    seconds: float


class Estimates:
    """Means of what was measured, per recording."""

    def __init__(self, entries: Iterable[Entry], home: Home) -> None:
        self.recordings = Recordings(home)
        self._runs: dict[Hashable, list[Run]] = defaultdict(list)
        self._estimates: dict[Hashable, Estimate] = {}
        for entry in entries:
            if entry.done and entry.recordings:
                self._add_cell(entry)
        for card in _json_files(home.pretrained, f"*/{CARD}"):
            self._add_pretraining(card)
        synthetic = {str(one.get("digest")): one.get("synthetic") for one in _json_files(home.data, f"*/{MANIFEST}")}
        for path in home.features.glob("*.json"):
            self._add_features(path, synthetic)

    # --- what is expected ---

    def cell(self, cell: Cell, stage: str) -> Estimate:
        """One cell whose features are at hand."""
        spec = cell.spec
        kind = (self.recordings.is_synthetic(spec.dataset), spec.limit is not None)
        recipe = cost_recipe(spec.method_config, spec.training, spec.task_config)
        keys: list[Hashable] = [("cell", spec.method, spec.task, *recipe, *kind)]
        if stage in ANY_METHOD:
            keys.append(("task", spec.task, recipe[1], *kind))
        return self._expect(keys, self.recordings.of_cell(cell), stage)

    def features(self, spec: RunSpec) -> Estimate:
        """One pass over a dataset's signals."""
        kind = (self.recordings.is_synthetic(spec.dataset), spec.limit is not None)
        key = ("features", spec.method, digest(spec.method_config), *kind)
        return self._expect([key], self.recordings.of_pass(spec), "features")

    def pretraining(self, spec: RunSpec) -> Estimate:
        """The training of the weights of `spec`."""
        recipe = spec.pretraining
        assert recipe is not None
        kind = (self.recordings.is_synthetic(recipe["dataset"]), recipe["limit"] is not None)
        options = weight_options(spec.method, spec.method_config, recipe)
        key = ("pretrain", spec.method, digest([options, recipe["training"]]), *kind)
        return self._expect([key], self.recordings.of_pretraining(recipe), "pretrain")

    def _expect(self, keys: list[Hashable], recordings: float | None, stage: str) -> Estimate:
        """The mean of the first key that anything was measured for, scaled to so many recordings."""
        if recordings is None:
            return Estimate(DEFAULTS[stage], 0)
        place = (*keys, recordings)
        if place not in self._estimates:
            runs = next((self._runs[key] for key in keys if key in self._runs), [])
            self._estimates[place] = _scaled(runs, recordings) if runs else Estimate(DEFAULTS[stage], 0)
        return self._estimates[place]

    # --- what was measured ---

    def _add_cell(self, entry: Entry) -> None:
        kind = (entry.synthetic, entry.partial)
        run = Run(entry.recordings, entry.seconds)
        self._runs["cell", entry.method, entry.task, *entry.recipe, *kind].append(run)
        if not _is_trained_end_to_end(entry.method):
            self._runs["task", entry.task, entry.recipe[1], *kind].append(run)

    def _add_pretraining(self, card: Mapping[str, Any]) -> None:
        with suppress(KeyError, TypeError, ValueError):  # of another form
            recipe = card["recipe"]
            key = digest([card["config"], recipe["training"]])
            kind = (bool(card["synthetic"]), recipe["limit"] is not None)
            run = Run(int(card["recordings"]), float(card["seconds"]))
            self._runs["pretrain", card["method"], key, *kind].append(run)

    def _add_features(self, path: Path, synthetic: Mapping[str, object]) -> None:
        """The cache keeps seconds per recording, and a row of the array beside its file is one."""
        with suppress(OSError, KeyError, TypeError, ValueError):  # a file of another kind, or of data that has gone
            card = json.loads(path.read_text("utf-8"))
            kind = (synthetic[card["data"]], card["rows"] != "all")
            rows = len(np.load(path.with_suffix(".npy"), mmap_mode="r"))
            run = Run(rows, rows * float(card["cost"]["feature_seconds"]))
            self._runs["features", card["method"], digest(card["config"]), *kind].append(run)


@functools.cache
def _is_trained_end_to_end(method: str) -> bool:
    """Whether a method's cells are trainings; one that is not installed here tells nothing of others."""
    try:
        return issubclass(METHODS.get(method), SupervisedMethod)
    except BenchmarkError:
        return True


def _scaled(runs: list[Run], recordings: float) -> Estimate:
    """Seconds for so many recordings, from runs on about as many where there are any, else from all."""
    near = [one for one in runs if abs(one.recordings - recordings) <= ALIKE * recordings]
    basis = near or runs
    rate = sum(one.seconds for one in basis) / sum(one.recordings for one in basis)
    return Estimate(rate * recordings, len(basis))


def _json_files(folder: Path, pattern: str) -> Iterable[dict[str, Any]]:
    """The tables among the files; one that cannot be read tells no time."""
    for path in folder.glob(pattern):
        with suppress(OSError, ValueError):
            content = json.loads(path.read_text("utf-8"))
            if isinstance(content, dict):
                yield content
