"""The recordings of a label set by split, with their labels: the data of a cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmark.api import SPLITS, Target, Truth
from benchmark.data.labels.groups import groups
from benchmark.data.labels.strata import strata
from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import UsageError


@dataclass(frozen=True)
class LabelledRows:
    """The recordings of a label set by split: `rows` into the dataset, `labels` ``(recording, class)``.

    Where the label set is a target there are no classes, and `values` ``(recording,)`` float64 in its unit.
    """

    classes: tuple[str, ...]
    rows: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    name: str = ""  # dataset/label_set
    target: Target | None = None
    values: dict[str, np.ndarray] | None = None

    @classmethod
    def of(cls, data: PreparedDataset, label_set: str, limit: int | None) -> LabelledRows:
        """Return at most `limit` recordings per split; raise `UsageError` if a split has none."""
        if data.is_target(label_set):
            return cls._of_target(data, label_set, limit)
        labelled = data.label_set(label_set)
        where = _by_split(data, labelled.rows, label_set, limit)
        return cls(
            labelled.classes,
            {split: labelled.rows[positions] for split, positions in where.items()},
            {split: labelled.matrix[positions] for split, positions in where.items()},
            f"{data.manifest['dataset']}/{label_set}",
        )

    @classmethod
    def _of_target(cls, data: PreparedDataset, name: str, limit: int | None) -> LabelledRows:
        numbers = data.target(name)
        where = _by_split(data, numbers.rows, name, limit)
        return cls(
            (),
            {split: numbers.rows[positions] for split, positions in where.items()},
            {split: np.zeros((len(positions), 0), np.uint8) for split, positions in where.items()},
            f"{data.manifest['dataset']}/{name}",
            numbers.target,
            {split: numbers.values[positions] for split, positions in where.items()},
        )

    def subset_labels(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return labels of train and their names, over which subsets are stratified: classes, or ranges of a number."""
        if self.values is None or self.target is None:
            return self.labels["train"], self.classes
        return strata(self.values["train"], self.target.unit)

    def truth(self, data: PreparedDataset) -> Truth:
        """Return the test split with its labels, for the scorer."""
        rows = self.rows["test"]
        return Truth(
            list(data.record_ids[rows]),
            list(data.patient_ids[rows]),
            self.labels["test"],
            self.classes,
            list(data.reports[rows]),
            {name: values[rows] for name, values in groups(data).items()},
            self.name,
            self.target,
            None if self.values is None else self.values["test"],
        )

    def without_test(self) -> LabelledRows:
        """Return a copy without the test labels, for the task."""
        labels = {split: self.labels[split] for split in ("train", "val")}
        values = None if self.values is None else {split: self.values[split] for split in ("train", "val")}
        return replace(self, labels=labels, values=values)


def _by_split(data: PreparedDataset, rows: np.ndarray, name: str, limit: int | None) -> dict[str, np.ndarray]:
    """Return positions in `rows` by split; raise `UsageError` if a split has none."""
    where = {split: np.flatnonzero(data.splits[rows] == split)[:limit] for split in SPLITS}
    empty = [split for split, positions in where.items() if not len(positions)]
    if empty:
        raise UsageError(f"{data.manifest['dataset']}/{name} has no recordings in {', '.join(empty)}")
    return where
