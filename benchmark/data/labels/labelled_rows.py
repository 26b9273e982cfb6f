"""The recordings of a label set by split, with their labels: the data of a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmark.api import SPLITS, Rotation, Target, Truth
from benchmark.data.labels.groups import groups
from benchmark.data.labels.strata import strata
from benchmark.data.store.prepared import LabelSet, PreparedDataset
from benchmark.errors import UsageError


@dataclass(frozen=True)
class LabelledRows:
    """The recordings of a label set by split: `rows` into the dataset, `labels` ``(recording, class)``.

    For a target there are no classes, and `values` ``(recording,)`` holds float64 in its unit. In a sparse label set
    unknown labels are NaN, `kinds` has the kind of each class, and `leads` ``(recording, class, 12)`` the leads that
    show it.
    """

    classes: tuple[str, ...]
    rows: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    name: str = ""  # dataset/label_set
    target: Target | None = None
    values: dict[str, np.ndarray] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    leads: dict[str, np.ndarray] | None = None

    @classmethod
    def of(cls, data: PreparedDataset, label_set: str, limit: int | None) -> LabelledRows:
        """Return at most `limit` recordings per split; raise `UsageError` if a split has none."""
        if data.is_target(label_set):
            return cls._of_target(data, label_set, limit)
        labelled = data.label_set(label_set)
        return cls._of_labels(data, label_set, labelled, _by_split(data, labelled.rows, label_set, limit))

    @classmethod
    def of_rotation(cls, data: PreparedDataset, label_set: str, rotation: Rotation, limit: int | None) -> LabelledRows:
        """Return the recordings of a label set by one division of the folds; raise `UsageError` if a part has none."""
        labelled = data.label_set(label_set)
        fold = data.folds[labelled.rows]
        parts = {split: np.isin(fold, getattr(rotation, split)) for split in SPLITS}
        where = {split: np.flatnonzero(part)[:limit] for split, part in parts.items()}
        _refuse_empty(data, label_set, where)
        return cls._of_labels(data, label_set, labelled, where)

    @classmethod
    def union(cls, views: Sequence[LabelledRows]) -> LabelledRows:
        """Return the test recordings of several rotations, in their order, with train and val of the last one."""
        last = views[-1]
        rows, labels = (np.concatenate([getattr(view, name)["test"] for view in views]) for name in ("rows", "labels"))
        leads = [view.leads["test"] for view in views if view.leads is not None]
        return replace(
            last,
            rows={**last.rows, "test": rows},
            labels={**last.labels, "test": labels},
            leads={**last.leads, "test": np.concatenate(leads)} if last.leads is not None else None,
        )

    @classmethod
    def _of_labels(
        cls, data: PreparedDataset, name: str, labelled: LabelSet, where: Mapping[str, np.ndarray]
    ) -> LabelledRows:
        about, leads = data.sparse_label_sets.get(name), labelled.leads
        return cls(
            labelled.classes,
            {split: labelled.rows[positions] for split, positions in where.items()},
            {split: labelled.matrix[positions] for split, positions in where.items()},
            f"{data.manifest['dataset']}/{name}",
            kinds=about.kinds if about else {},
            leads=None if leads is None else {split: leads[positions] for split, positions in where.items()},
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
            self.kinds,
            None if self.leads is None else self.leads["test"],
        )

    def without_test(self) -> LabelledRows:
        """Return a copy without the test labels, for the task."""
        labels = {split: self.labels[split] for split in ("train", "val")}
        values = None if self.values is None else {split: self.values[split] for split in ("train", "val")}
        leads = None if self.leads is None else {split: self.leads[split] for split in ("train", "val")}
        return replace(self, labels=labels, values=values, leads=leads)


def _by_split(data: PreparedDataset, rows: np.ndarray, name: str, limit: int | None) -> dict[str, np.ndarray]:
    """Return positions in `rows` by split; raise `UsageError` if a split has none."""
    where = {split: np.flatnonzero(data.splits[rows] == split)[:limit] for split in SPLITS}
    _refuse_empty(data, name, where)
    return where


def _refuse_empty(data: PreparedDataset, name: str, where: Mapping[str, np.ndarray]) -> None:
    empty = [split for split, positions in where.items() if not len(positions)]
    if empty:
        raise UsageError(f"{data.manifest['dataset']}/{name} has no recordings in {', '.join(empty)}")
