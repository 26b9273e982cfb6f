"""The prepared datasets and label sets of a group of cells, each opened once, and its contamination gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np

from benchmark.api import SPLITS, Rotation, SignalSpec, Truth
from benchmark.canonical import digest
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.signal_notes import signal_notes
from benchmark.errors import UsageError
from benchmark.paths import Home
from benchmark.planning.contamination import Gate
from benchmark.records.spec import RunSpec, datasets_of, values_key


class GroupData:
    """Datasets that open on first use; `limit` is the number of recordings per split and label set, None for all."""

    def __init__(self, home: Home, limit: int | None) -> None:
        self._home, self._limit = home, limit
        self.gate = Gate(home)
        self._data: dict[tuple[str, bytes], PreparedDataset] = {}
        self._views: dict[tuple[str, str], LabelledRows] = {}
        self._truths: dict[tuple[str, str], Truth] = {}
        self._rotated: dict[tuple[str, str, tuple[Rotation, ...]], list[LabelledRows]] = {}
        self._unions: dict[tuple[str, str, tuple[Rotation, ...]], LabelledRows] = {}
        self._signal_notes: dict[
            tuple[int, SignalSpec, str], tuple[LabelledRows, list[str]]
        ] = {}  # a view and its notes
        self._rows: dict[str, np.ndarray] = {}

    def data(self, name: str, config: dict[str, Any]) -> PreparedDataset:
        key = name, msgspec.json.encode(config)  # asked ten times per cell, where a digest takes as long as a file
        if key not in self._data:
            self._data[key] = open_dataset(name, config, self._home)
        return self._data[key]

    def digests(self, spec: RunSpec) -> tuple[str | None, str | None, str | None]:
        """Return the digests of the data at hand, in the form of `RunRecord.digests`."""
        own, *other = (self.data(*dataset).digest for dataset in datasets_of(spec))
        values = self.data(spec.dataset, spec.dataset_config).values_digest(spec.label_set)
        return own, other[0] if other else None, values

    def digest_map(self, spec: RunSpec) -> dict[str, str]:
        """Return the digests of the data at hand, in the form of `planning.standing.AtHand.data`."""
        return {digest(list(dataset)): self.data(*dataset).digest for dataset in datasets_of(spec)}

    def values_map(self, spec: RunSpec) -> dict[str, str]:
        """Return the digest of the cell's values, in the form of `planning.standing.AtHand.values`."""
        values = self.data(spec.dataset, spec.dataset_config).values_digest(spec.label_set)
        return {values_key(spec): values} if values else {}

    def view(self, data: PreparedDataset, label_set: str) -> LabelledRows:
        key = (str(data.path), label_set)
        if key not in self._views:
            self._views[key] = LabelledRows.of(data, label_set, self._limit)
        return self._views[key]

    def rotated_views(self, data: PreparedDataset, label_set: str, rotations: Sequence[Rotation]) -> list[LabelledRows]:
        """Return the recordings of a label set by each division of the folds."""
        key = (str(data.path), label_set, tuple(rotations))
        if key not in self._rotated:
            views = [LabelledRows.of_rotation(data, label_set, rotation, self._limit) for rotation in rotations]
            self._rotated[key] = views
        return self._rotated[key]

    def view_of(self, data: PreparedDataset, label_set: str, rotations: Sequence[Rotation]) -> LabelledRows:
        """Return the recordings that a cell is scored on, of all its rotations where it has some."""
        if not rotations:
            return self.view(data, label_set)
        key = (str(data.path), label_set, tuple(rotations))
        if key not in self._unions:
            self._unions[key] = LabelledRows.union(self.rotated_views(data, label_set, rotations))
        return self._unions[key]

    def signal_notes(self, data: PreparedDataset, view: LabelledRows, signal: SignalSpec, method: str) -> list[str]:
        """Return the notes on the recordings of a view; worked out once for all cells that share it."""
        key = (id(view), signal, method)
        if key not in self._signal_notes:
            self._signal_notes[key] = view, signal_notes(data, view.rows, signal, method)
        return self._signal_notes[key][1]

    def truth(self, data: PreparedDataset, label_set: str) -> Truth:
        """Return the test split for the scorer; read once for all cells of a label set."""
        key = (str(data.path), label_set)
        if key not in self._truths:
            self._truths[key] = self.view(data, label_set).truth(data)
        return self._truths[key]

    def rows(self, data: PreparedDataset, rotated: Sequence[LabelledRows] = ()) -> np.ndarray:
        """Return the rows that features are extracted for: all, or those of any limited label set or of `rotated`.

        Without a limit rotations share the pass over all recordings that every other cell of a method needs.
        """
        if self._limit is None:
            return np.arange(len(data))
        if rotated:
            return np.unique(np.concatenate([view.rows[split] for view in rotated for split in SPLITS]))
        key = str(data.path)
        if key not in self._rows:
            self._rows[key] = np.unique(np.concatenate(list(self._limited_parts(data))))
        return self._rows[key]

    def _limited_parts(self, data: PreparedDataset) -> Iterator[np.ndarray]:
        """Yield the rows of every limited label set and target, split by split."""
        views = [self.view(data, name) for name in data.manifest["label_sets"]]
        if not views:  # reports alone
            yield from (np.flatnonzero(data.splits == split)[: self._limit] for split in SPLITS)
        views += [view for name in data.supplement.names if (view := self._view_if_any(data, name)) is not None]
        yield from (view.rows[split] for view in views for split in SPLITS)

    def _view_if_any(self, data: PreparedDataset, name: str) -> LabelledRows | None:
        """Return the recordings of a label set beside the store, None where a split has none: other cells go on."""
        with suppress(UsageError):
            return self.view(data, name)
        return None
