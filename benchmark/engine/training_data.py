"""The data from which the training loop draws batches."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from benchmark.api import Batch


class TrainingData(Protocol):
    """The data from which the loop draws batches; `digest` covers everything that the batches hold."""

    @property
    def digest(self) -> str: ...

    def __len__(self) -> int: ...

    def batch(self, positions: np.ndarray) -> Batch:
        """Return the examples at `positions`, tensors on the CPU."""
