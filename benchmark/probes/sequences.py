"""Token sequences that stay on disk until a batch of them is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Sequences:
    """Token sequences of a split, ``(token, dim)`` per recording, read from disk batch by batch."""

    array: np.ndarray  # (row, token, dim) float32, or float16 where shortened; memory-mapped
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, positions: np.ndarray) -> torch.Tensor:
        """Return ``(len(positions), token, dim)`` float32."""
        return torch.from_numpy(self.array[self.rows[positions]]).float()
