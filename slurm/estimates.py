"""Estimates of how long a cell takes, from earlier runs under the same home, else a stated default.

A measured time applies to the same recipe only (method, task and their options; for weights also the training). It is
scaled by the number of recordings. Synthetic and partial runs are estimated only from runs of their own kind: seconds
on sixty synthetic recordings do not predict a night on real ones.
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
from benchmark.data.store.integrity import MANIFEST
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from benchmark.planning.plan import Cell
from benchmark.planning.pretrained import CARD, weight_options
from benchmark.planning.tuning import TrialTraining, recordings_per_step
from benchmark.records.index import Entry
from benchmark.records.spec import RunSpec, cost_recipe
from benchmark.registry import METHODS
from slurm.paper_speeds import seconds_of_steps
from slurm.recordings import Recordings

# seconds, used without measurements: long enough that the first job does not hit its time limit
DEFAULTS = {"pretrain": 4 * 3600.0, "features": 600.0, "probe": 30.0, "train": 900.0, "report": 1800.0}
ANY_METHOD = ("probe", "report")  # stages whose time depends on the task more than on the method
STARTUP = 60.0  # seconds of a job before its first cell: Python, libraries, the method
ALIKE = 0.1  # relative difference in size within which runs are preferred over those that need more scaling


class Estimate(NamedTuple):
    """Expected seconds, and the number of runs they are based on (0: the default)."""

    seconds: float
    cells: int


class Run(NamedTuple):
    """Measured seconds for a number of recordings."""

    recordings: float
    seconds: float


class Estimates:
    """Estimates from the mean measured time per recording."""

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

    # --- estimates ---

    def cell(self, cell: Cell, stage: str) -> Estimate:
        """Estimate one cell whose features are already extracted."""
        spec = cell.spec
        kind = (self.recordings.is_synthetic(spec.dataset), spec.limit is not None)
        recipe = cost_recipe(spec.method_config, spec.training, spec.task_config)
        keys: list[Hashable] = [("cell", spec.method, spec.task, *recipe, *kind)]
        if stage in ANY_METHOD:
            keys.append(("task", spec.task, recipe[1], *kind))
        return self._expect(keys, self.recordings.of_cell(cell), stage)

    def features(self, spec: RunSpec) -> Estimate:
        """Estimate one pass over a dataset's signals."""
        kind = (self.recordings.is_synthetic(spec.dataset), spec.limit is not None)
        key = ("features", spec.method, digest(spec.method_config), *kind)
        return self._expect([key], self.recordings.of_pass(spec), "features")

    def pretraining(self, spec: RunSpec, gpus: int = 0) -> Estimate:
        """Estimate the pre-training of the weights of `spec` on `gpus` that train together.

        Without measurements a training of a paper's size on GPUs takes the time of its steps on H200.
        """
        recipe = spec.pretraining
        assert recipe is not None
        kind = (self.recordings.is_synthetic(recipe["dataset"]), recipe["limit"] is not None)
        options = weight_options(spec.method, spec.method_config, recipe)
        key = ("pretrain", spec.method, digest([options, recipe["training"]]), *kind)
        recordings = self.recordings.of_pretraining(recipe)
        estimate = self._expect([key], recordings, "pretrain")
        if estimate.cells or recordings is None or not gpus:
            return estimate
        seconds = seconds_of_steps(spec.method, spec.method_config, recipe["training"], recordings, gpus)
        return estimate if seconds is None else Estimate(seconds, 0)

    def trial(self, training: TrialTraining) -> Estimate:
        """Estimate the training of a trial from the recordings per second of earlier trainings with these options.

        The speed does not depend on the learning rate, so other trials and finished weights count.
        """
        recipe = training.recipe
        kind = (self.recordings.is_synthetic(recipe["dataset"]), recipe["limit"] is not None)
        key = ("speed", training.method, digest(weight_options(training.method, training.config, recipe)), *kind)
        return self._expect([key], training.recordings, "pretrain")

    def _expect(self, keys: list[Hashable], recordings: float | None, stage: str) -> Estimate:
        """Return the estimate from the first key with measurements, scaled to `recordings`."""
        if recordings is None:
            return Estimate(DEFAULTS[stage], 0)
        place = (*keys, recordings)
        if place not in self._estimates:
            runs = next((self._runs[key] for key in keys if key in self._runs), [])
            self._estimates[place] = _scaled(runs, recordings) if runs else Estimate(DEFAULTS[stage], 0)
        return self._estimates[place]

    # --- measurements ---

    def _add_cell(self, entry: Entry) -> None:
        kind = (entry.synthetic, entry.partial)
        run = Run(entry.recordings, entry.seconds)
        self._runs["cell", entry.method, entry.task, *entry.recipe, *kind].append(run)
        if not _is_trained_end_to_end(entry.method):
            self._runs["task", entry.task, entry.recipe[1], *kind].append(run)

    def _add_pretraining(self, card: Mapping[str, Any]) -> None:
        with suppress(KeyError, TypeError, ValueError):  # a card in another format
            recipe = card["recipe"]
            key = digest([card["config"], recipe["training"]])
            kind = (bool(card["synthetic"]), recipe["limit"] is not None)
            run = Run(int(card["recordings"]), float(card["seconds"]))
            self._runs["pretrain", card["method"], key, *kind].append(run)
            speed = Run(int(card["steps"]) * recordings_per_step(recipe["training"]), float(card["seconds"]))
            self._runs["speed", card["method"], digest(card["config"]), *kind].append(speed)

    def _add_features(self, path: Path, synthetic: Mapping[str, object]) -> None:
        """Add a feature extraction: the cache has seconds per recording, and the array beside it one row for each."""
        with suppress(OSError, EOFError, KeyError, TypeError, ValueError):  # damaged, or its data no longer exists
            card = json.loads(path.read_text("utf-8"))
            kind = (synthetic[card["data"]], card["rows"] != "all")
            rows = len(np.load(path.with_suffix(".npy"), mmap_mode="r"))
            run = Run(rows, rows * float(card["cost"]["feature_seconds"]))
            self._runs["features", card["method"], digest(card["config"]), *kind].append(run)


@functools.cache
def _is_trained_end_to_end(method: str) -> bool:
    """Whether a method is trained end to end; True if it is not installed, so that it informs no other method."""
    try:
        return issubclass(METHODS.get(method), SupervisedMethod)
    except BenchmarkError:
        return True


def _scaled(runs: list[Run], recordings: float) -> Estimate:
    """Estimate seconds for `recordings`, from runs of similar size if there are any, else from all."""
    near = [one for one in runs if abs(one.recordings - recordings) <= ALIKE * recordings]
    basis = near or runs
    rate = sum(one.seconds for one in basis) / sum(one.recordings for one in basis)
    return Estimate(rate * recordings, len(basis))


def _json_files(folder: Path, pattern: str) -> Iterable[dict[str, Any]]:
    """Yield the JSON objects among the files; unreadable files are skipped."""
    for path in folder.glob(pattern):
        with suppress(OSError, ValueError):
            content = json.loads(path.read_text("utf-8"))
            if isinstance(content, dict):
                yield content
