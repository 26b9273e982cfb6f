"""The recordings that a cell is tested on: those of the test split, or of the folds that its rotations predict.

The contamination gate compares these with what weights saw. A cell that is tested on recordings of every fold is not
clean because fold 10 is.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from benchmark.api import SPLITS, Task
from benchmark.canonical import digest
from benchmark.data.store.prepared import PreparedDataset
from benchmark.data.store.shared_recordings import Part
from benchmark.planning.plan import Cell
from benchmark.registry import TASKS


@dataclass(frozen=True)
class Tested:
    """The folds that a cell is tested on; none: the test split. `label_set` says which recordings have a label."""

    folds: tuple[int, ...]
    label_set: str

    @classmethod
    def by(cls, cell: Cell) -> Tested:
        task: Task = TASKS.get(cell.spec.task)(**cell.spec.task_config)
        return cls(tuple(sorted(fold for rotation in task.rotations() for fold in rotation.test)), cell.spec.label_set)

    @property
    def key(self) -> list[object]:
        """Return what tells it apart from other parts of a dataset, as JSON."""
        return [list(self.folds), self.label_set if self.folds else ""]

    @property
    def words(self) -> str:
        """Return ``the test split``, or ``the tested folds``."""
        return "the tested folds" if self.folds else "the test split"

    def part(self, data: PreparedDataset) -> str | Part:
        """Return the recordings of `data`; raise where folds, or the labels of a sparse label set, are not at hand."""
        if not self.folds:
            return "test"
        rows = _rows(data, self)
        return Part(f"folds-{digest([*self.key, [int(row) for row in rows]])}", rows)

    def count(self, data: PreparedDataset) -> int:
        """Return the number of tested recordings."""
        return len(_rows(data, self)) if self.folds else int(data.manifest["splits"].get("test", 0))

    def splits(self, data: PreparedDataset | None) -> tuple[str, ...]:
        """Return the splits that hold tested recordings, so far as is known: without the data, test alone."""
        if not self.folds or data is None:
            return ("test",)
        splits = set(data.splits[_rows(data, self)])
        return tuple(split for split in SPLITS if split in splits)


@functools.lru_cache(maxsize=16)
def _rows(data: PreparedDataset, tested: Tested) -> np.ndarray:
    rows = data.rows_of(tested.label_set)
    return np.asarray(rows[np.isin(data.folds[rows], tested.folds)])
