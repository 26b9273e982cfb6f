"""The signals of a split, for a training loop or a task."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.api import Batch, SignalSpec
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.training_identity import rows_digest


class SplitSignals:
    """Recordings of a split in batches, with their labels; test has none."""

    def __init__(self, data: PreparedDataset, rows: np.ndarray, labels: np.ndarray | None, spec: SignalSpec) -> None:
        self.data, self.rows, self.labels, self.spec = data, rows, labels, spec

    @property
    def digest(self) -> str:
        """Return the digest of the dataset, the rows, their form and their labels."""
        return rows_digest(self.data, self.rows, self.spec, self.labels)

    def __len__(self) -> int:
        return len(self.rows)

    def announce(self, positions: np.ndarray) -> None:
        self.data.announce(self.rows[positions])

    def batch(self, positions: np.ndarray) -> Batch:
        """Read the recordings at `positions` of the split, tensors on the CPU."""
        rows = self.rows[positions]
        ecg = torch.from_numpy(self.data.read(rows, self.spec))
        labels = None if self.labels is None else torch.from_numpy(self.labels[positions].astype(np.float32))
        return Batch(ecg, list(self.data.record_ids[rows]), labels=labels)
