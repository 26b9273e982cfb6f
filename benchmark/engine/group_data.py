"""The prepared datasets and label sets of a group of cells, each opened once, and its contamination gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.api import SPLITS, Truth
from benchmark.canonical import digest
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.data.store.prepared import PreparedDataset
from benchmark.paths import Home
from benchmark.planning.contamination import Gate
from benchmark.records.spec import RunSpec, datasets_of


class GroupData:
    """Datasets that open on first use; `limit` is the number of recordings per split and label set, None for all."""

    def __init__(self, home: Home, limit: int | None) -> None:
        self._home, self._limit = home, limit
        self.gate = Gate(home)
        self._data: dict[str, PreparedDataset] = {}
        self._views: dict[tuple[str, str], LabelledRows] = {}
        self._truths: dict[tuple[str, str], Truth] = {}
        self._rows: dict[str, np.ndarray] = {}

    def data(self, name: str, config: dict[str, Any]) -> PreparedDataset:
        key = digest([name, config])
        if key not in self._data:
            self._data[key] = open_dataset(name, config, self._home)
        return self._data[key]

    def digests(self, spec: RunSpec) -> tuple[str | None, str | None]:
        """Return the digests of the data at hand, in the form of `RunRecord.digests`."""
        target, *other = (self.data(*dataset).digest for dataset in datasets_of(spec))
        return target, other[0] if other else None

    def digest_map(self, spec: RunSpec) -> dict[str, str]:
        """Return the digests of the data at hand, in the form of `planning.standing.AtHand.data`."""
        return {digest(list(dataset)): self.data(*dataset).digest for dataset in datasets_of(spec)}

    def view(self, data: PreparedDataset, label_set: str) -> LabelledRows:
        key = (str(data.path), label_set)
        if key not in self._views:
            self._views[key] = LabelledRows.of(data, label_set, self._limit)
        return self._views[key]

    def truth(self, data: PreparedDataset, label_set: str) -> Truth:
        """Return the test split for the scorer; read once for all cells of a label set."""
        key = (str(data.path), label_set)
        if key not in self._truths:
            self._truths[key] = self.view(data, label_set).truth(data)
        return self._truths[key]

    def rows(self, data: PreparedDataset) -> np.ndarray:
        """Return the rows that features are extracted for: all, or those of any limited label set."""
        if self._limit is None:
            return np.arange(len(data))
        if not data.manifest["label_sets"]:  # reports alone
            return np.sort(np.concatenate([np.flatnonzero(data.splits == split)[: self._limit] for split in SPLITS]))
        key = str(data.path)
        if key not in self._rows:
            views = [self.view(data, name) for name in data.manifest["label_sets"]]
            self._rows[key] = np.unique(np.concatenate([view.rows[split] for view in views for split in SPLITS]))
        return self._rows[key]
