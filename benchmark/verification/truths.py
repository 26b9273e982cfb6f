"""Test splits to hold predictions against: of the prepared dataset where it is at hand, else as a file has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.api import Truth
from benchmark.canonical import digest
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparations import Preparations
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from benchmark.records.record import RunRecord
from benchmark.records.spec import RunSpec


class Truths:
    """The test splits of the datasets prepared under `home`, each read once."""

    def __init__(self, home: Home) -> None:
        self._preparations = Preparations(home)
        self._truths: dict[str, Truth | None] = {}

    def of(self, spec: RunSpec, record: RunRecord) -> Truth | None:
        """Return the test split that a record was scored against; None where just this data is not prepared."""
        place = [
            spec.dataset,
            spec.dataset_config,
            spec.label_set,
            spec.limit,
            record.data_digest,
            record.values_digest,
        ]
        name = digest(place)
        if name not in self._truths:
            self._truths[name] = self._read(spec, record)
        return self._truths[name]

    def _read(self, spec: RunSpec, record: RunRecord) -> Truth | None:
        data = self._preparations.find(spec.dataset, spec.dataset_config, record.data_digest)
        if data is None or data.digest != record.data_digest:
            return None
        try:
            if data.values_digest(spec.label_set) != record.values_digest:
                return None
            return LabelledRows.of(data, spec.label_set, spec.limit).truth(data)
        except BenchmarkError:  # a label set beside the store that this preparation lacks
            return None


def disagreement(truth: Truth, other: Truth) -> str:
    """Return which part of two test splits differs; "" where none does. Subgroups do not count."""
    parts: dict[str, tuple[Any, Any]] = {
        "recordings": (list(map(str, truth.record_ids)), list(map(str, other.record_ids))),
        "patients": (list(map(str, truth.patient_ids)), list(map(str, other.patient_ids))),
        "classes": (tuple(truth.classes), tuple(other.classes)),
        "labels": (np.asarray(truth.labels).tolist(), np.asarray(other.labels).tolist()),
        "values": (_values(truth), _values(other)),
    }
    return next((name for name, (one, another) in parts.items() if one != another), "")


def _values(truth: Truth) -> list[float] | None:
    return None if truth.values is None else [float(value) for value in truth.values]
