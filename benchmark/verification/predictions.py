"""Predictions of cells, wherever they lie: beside the records that were made here, or in a file to publish."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from benchmark.api import Truth
from benchmark.errors import BenchmarkError, DataError
from benchmark.records.paths import PREDICTIONS, THRESHOLDS
from benchmark.records.predictions_file import CellPredictions, PredictionsFile, truth_digest
from benchmark.records.record import RunRecord
from benchmark.records.score_codes import as_they_are, encode
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store, place_of
from benchmark.verification.truths import Truths, disagreement

NO_SCORES = "what its task predicts is no score of a class and no number of a target"


class UnverifiableError(BenchmarkError):
    """A cell's numbers cannot be computed again; the message says why."""


class ForeignPredictionsError(BenchmarkError):
    """Predictions are not those of the record that they lie beside; the message says which part is not."""


@dataclass(frozen=True)
class Evidence:
    """All that a cell's numbers are computed from. `own_labels` means those of a dataset prepared here."""

    array: str
    scores: np.ndarray  # (recording, class), or (recording,) for a target
    thresholds: np.ndarray | None
    truth: Truth
    own_labels: bool


class Source(Protocol):
    """A place where predictions lie."""

    def get(self, spec: RunSpec, record: RunRecord) -> Evidence:
        """Return what a cell's numbers are computed from.

        Raises `UnverifiableError` where there is nothing, `ForeignPredictionsError` for predictions of something else.
        """


class BesideRecords:
    """Predictions as a run stored them, a file beside each record."""

    def __init__(self, store: Store, truths: Truths) -> None:
        self._store, self._truths = store, truths

    def get(self, spec: RunSpec, record: RunRecord) -> Evidence:
        truth = self._truths.of(spec, record)
        if truth is None:
            raise UnverifiableError(f"{spec.dataset} is not prepared here as it was for the record")
        arrays = read_arrays(self._store, spec, record)
        name = scores_name(arrays, truth)
        return Evidence(name, arrays[name], arrays.get(THRESHOLDS), truth, own_labels=True)


class Published:
    """Predictions in a file; labels of a dataset prepared here are used in place of the file's, and must be equal."""

    def __init__(self, path: Path, truths: Truths) -> None:
        self._file, self._truths = PredictionsFile(path), truths

    def get(self, spec: RunSpec, record: RunRecord) -> Evidence:
        cell = self._file.get(record.key)
        if cell is None:
            raise UnverifiableError(f"{self._file.path} has no predictions of it")
        truth, own = self._file.tests[cell.test], self._truths.of(spec, record)
        if own is not None and (part := disagreement(own, truth)):
            raise ForeignPredictionsError(f"the {part} in {self._file.path} are not those of the prepared dataset")
        thresholds = None if cell.thresholds is None else np.array(cell.thresholds)
        return Evidence(cell.array, cell.scores(truth.values is not None), thresholds, own or truth, own is not None)


def to_publish(store: Store, spec: RunSpec, record: RunRecord, title: str, truth: Truth) -> CellPredictions:
    """Return a cell's predictions in the form of a file; raise `UnverifiableError` for a cell without scores."""
    arrays = read_arrays(store, spec, record)
    name = scores_name(arrays, truth)
    scores, thresholds = arrays[name], arrays.get(THRESHOLDS)
    if not np.isfinite(scores).all():
        raise UnverifiableError("its scores are not finite")
    if truth.values is not None:
        columns = [as_they_are(scores)]
    else:
        limits = [None] * scores.shape[1] if thresholds is None else [float(limit) for limit in thresholds]
        columns = [encode(scores[:, place], limit) for place, limit in enumerate(limits)]
    per_class = None if thresholds is None else [float(limit) for limit in thresholds]
    return CellPredictions(record.key, title, name, truth_digest(truth), str(record.predictions), columns, per_class)


def read_arrays(store: Store, spec: RunSpec, record: RunRecord) -> Mapping[str, np.ndarray]:
    """Return the arrays beside a record; raise `DataError` where they are not those that it was written with."""
    content = store.files.read(place_of(spec), PREDICTIONS)
    if content is None:
        raise UnverifiableError("no predictions lie beside its record")
    where = f"{PREDICTIONS} in {store.files.name_of(place_of(spec))}"
    if hashlib.sha256(content).hexdigest() != record.predictions:
        raise DataError(f"{where} is not the one that was written with the record; run the cell again")
    try:
        return load(content)
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{where} cannot be read: {error}") from None


def scores_name(arrays: Mapping[str, np.ndarray], truth: Truth) -> str:
    """Return the name of the one array with a score per class, or with a number per recording of a target."""
    count = len(truth.record_ids)
    shape = (count,) if truth.values is not None else (count, len(truth.classes))
    names = [name for name, array in arrays.items() if array.shape == shape and name != THRESHOLDS]
    if len(names) != 1 or not all(shape):
        raise UnverifiableError(NO_SCORES)
    return names[0]
