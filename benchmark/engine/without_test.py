"""A prepared dataset without its test split: what chooses among trials gets this and nothing else.

No label, report or id of the test split can be had from it, and reading a test recording is an error. So test data
cannot reach a choice, whatever the code that scores trials does.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.data.store.prepared import LabelSet, PreparedDataset, TargetValues
from benchmark.data.store.sparse_labels import SparseLabels
from benchmark.data.store.supplement import Supplement
from benchmark.errors import TestSetLockedError

if TYPE_CHECKING:
    import pandas as pd

TEXTS = ("record_id", "patient_id", "report", "sex")  # columns of the table that say something about a recording


class _SupplementWithoutTest(Supplement):
    """Label sets and targets beside a store: no class and no number for recordings of the test split."""

    def __init__(self, folder: Path, digest: str, is_test: np.ndarray) -> None:
        super().__init__(folder, digest)
        self._is_test = is_test

    def values(self, name: str) -> np.ndarray:
        values = super().values(name).copy()
        values[self._is_test] = np.nan if values.dtype.kind == "f" else 0
        return values


class WithoutTest(PreparedDataset):
    """The training and validation splits of a prepared dataset, under the same row numbers."""

    def __init__(self, data: PreparedDataset) -> None:
        super().__init__(data.path)
        self.digest = data.digest

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """Table of recordings; of those of the test split it has no more than their place in the file."""
        table = super().table.copy()
        table.loc[table["split"] == "test", list(TEXTS)] = ""
        table.loc[table["split"] == "test", "age"] = np.nan
        return table

    @functools.cached_property
    def _is_test(self) -> np.ndarray:
        return np.asarray(self.splits == "test", bool)

    def label_set(self, name: str) -> LabelSet:
        """Return the recordings of a label set that lie in train or val."""
        whole = super().label_set(name)
        outside = ~self._is_test[whole.rows]
        return LabelSet(whole.classes, whole.rows[outside], whole.matrix[outside])

    def sparse_labels(self, name: str) -> SparseLabels:
        """Return the labels of a sparse label set that are known of recordings in train or val."""
        whole = super().sparse_labels(name)
        outside = ~self._is_test[whole.rows]
        return replace(whole, rows=whole.rows[outside], matrix=whole.matrix[outside], leads=whole.leads[outside])

    def target(self, name: str) -> TargetValues:
        """Return the recordings of train or val with a usable number."""
        whole = super().target(name)
        outside = ~self._is_test[whole.rows]
        return TargetValues(whole.target, whole.rows[outside], whole.values[outside])

    @functools.cached_property
    def supplement(self) -> Supplement:
        """Label sets and targets beside the store, with nothing for the recordings of the test split."""
        return _SupplementWithoutTest(self.path, self.digest, self._is_test)

    def _digital(self, rows: np.ndarray) -> np.ndarray:
        if self._is_test[np.asarray(rows, np.intp)].any():
            raise TestSetLockedError("tuning asked for a recording of the test split; it may read train and val alone")
        return super()._digital(rows)
