"""The recordings of a label set by split, with their labels: the data of a cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmark.api import SPLITS, Truth
from benchmark.data.labels.groups import groups
from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import UsageError


@dataclass(frozen=True)
class LabelledRows:
    """The recordings of a label set by split: `rows` into the dataset, `labels` ``(recording, class)``."""

    classes: tuple[str, ...]
    rows: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    name: str = ""  # dataset/label_set

    @classmethod
    def of(cls, data: PreparedDataset, label_set: str, limit: int | None) -> LabelledRows:
        """Return at most `limit` recordings per split; raise `UsageError` if a split has none."""
        labelled = data.label_set(label_set)
        where = {split: np.flatnonzero(data.splits[labelled.rows] == split)[:limit] for split in SPLITS}
        empty = [split for split, positions in where.items() if not len(positions)]
        if empty:
            raise UsageError(f"{data.manifest['dataset']}/{label_set} has no recordings in {', '.join(empty)}")
        return cls(
            labelled.classes,
            {split: labelled.rows[positions] for split, positions in where.items()},
            {split: labelled.matrix[positions] for split, positions in where.items()},
            f"{data.manifest['dataset']}/{label_set}",
        )

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
        )

    def without_test(self) -> LabelledRows:
        """Return a copy without the test labels, for the task."""
        return replace(self, labels={split: self.labels[split] for split in ("train", "val")})
