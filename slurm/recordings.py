"""Number of recordings that a cell or a training reads, from prepared data, else from the dataset's card."""

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

SHARES = (0.8, 0.1, 0.1)  # of train, validation and test, if the card states only the total


class Recordings:
    """Sizes of the datasets of a plan; None if neither data nor card states them."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._splits = functools.cache(self._count_splits)
        self._open = functools.cache(self._open_data)

    def of_cell(self, cell: Cell) -> float | None:
        """Count the recordings of the label subset, validation and test."""
        spec = cell.spec
        splits = self._splits(spec.dataset, json.dumps(spec.dataset_config, sort_keys=True), spec.label_set)
        if splits is None:
            return None
        train, *others = _limited(splits, spec.limit)
        return float(cell.question.get("fraction", 1.0)) * train + sum(others)

    def of_pass(self, spec: RunSpec) -> float | None:
        """Count the recordings whose features are extracted, over all label sets."""
        splits = self._splits(spec.dataset, json.dumps(spec.dataset_config, sort_keys=True), "")
        return None if splits is None else sum(_limited(splits, spec.limit))

    def of_pretraining(self, recipe: dict[str, Any]) -> float | None:
        """Count the recordings of the training split of a recipe."""
        splits = self._splits(recipe["dataset"], json.dumps(recipe["dataset_config"], sort_keys=True), "")
        return None if splits is None else _limited(splits, recipe["limit"])[0]

    def is_synthetic(self, dataset: str) -> bool:
        cls: type[Dataset] = DATASETS.get(dataset)
        return cls.card.synthetic

    def _count_splits(self, dataset: str, config: str, label_set: str) -> tuple[float, ...] | None:
        """Count train, validation and test of a label set; if it is empty, of all recordings."""
        data = self._open(dataset, config)
        if data is None:
            return _on_card(DATASETS.get(dataset), label_set)
        if not label_set:
            return tuple(float((data.splits == split).sum()) for split in SPLITS)
        try:
            rows = LabelledRows.of(data, label_set, None).rows
        except BenchmarkError:  # a split without recordings: the run will report it
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
