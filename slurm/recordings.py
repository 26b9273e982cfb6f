"""How many recordings a cell or a training reads: of prepared data as they are, else as the dataset's card says."""

from __future__ import annotations

import functools
import json
from typing import Any

from benchmark.api import SPLITS, Dataset
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from benchmark.planning.plan import Cell
from benchmark.records.spec import RunSpec
from benchmark.registry import DATASETS

SHARES = (0.8, 0.1, 0.1)  # of train, validation and test, where a card says no more than how many there are


class Recordings:
    """The sizes of the datasets of a plan; None where neither data nor card says anything."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._splits = functools.cache(self._count_splits)
        self._open = functools.cache(self._open_data)

    def of_cell(self, cell: Cell) -> float | None:
        """Those of the label subset, of validation and of test."""
        spec = cell.spec
        splits = self._splits(spec.dataset, json.dumps(spec.dataset_config, sort_keys=True), spec.label_set)
        if splits is None:
            return None
        train, *others = _limited(splits, spec.limit)
        return float(cell.question.get("fraction", 1.0)) * train + sum(others)

    def of_pass(self, spec: RunSpec) -> float | None:
        """Those that features are computed for, over all label sets."""
        splits = self._splits(spec.dataset, json.dumps(spec.dataset_config, sort_keys=True), "")
        return None if splits is None else sum(_limited(splits, spec.limit))

    def of_pretraining(self, recipe: dict[str, Any]) -> float | None:
        """Those of its training split."""
        splits = self._splits(recipe["dataset"], json.dumps(recipe["dataset_config"], sort_keys=True), "")
        return None if splits is None else _limited(splits, recipe["limit"])[0]

    def is_synthetic(self, dataset: str) -> bool:
        cls: type[Dataset] = DATASETS.get(dataset)
        return cls.card.synthetic

    def _count_splits(self, dataset: str, config: str, label_set: str) -> tuple[float, ...] | None:
        """Train, validation and test of a label set, of all recordings where it is empty."""
        data = self._open(dataset, config)
        if data is None:
            return _on_card(DATASETS.get(dataset), label_set)
        if not label_set:
            return tuple(float((data.splits == split).sum()) for split in SPLITS)
        try:
            rows = LabelledRows.of(data, label_set, None).rows
        except BenchmarkError:  # a split without a recording: the run will say so
            return None
        return tuple(float(len(rows[split])) for split in SPLITS)

    def _open_data(self, dataset: str, config: str) -> PreparedDataset | None:
        try:
            return open_dataset(dataset, json.loads(config), self.home)
        except BenchmarkError:
            return None


def _on_card(cls: type[Dataset], label_set: str) -> tuple[float, ...] | None:
    card = cls.card
    if label_set in card.sizes:
        return tuple(map(float, card.sizes[label_set]))
    return None if card.recordings is None else tuple(share * card.recordings for share in SHARES)


def _limited(splits: tuple[float, ...], limit: int | None) -> list[float]:
    return [size if limit is None else min(size, limit) for size in splits]
