"""The gated feed-forward block of DERI (IJCAI 2025): one half of the hidden layer gates the other."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class GatedMlp(nn.Module):
    """``fc2(silu(drop(fc1 x)) * drop(fc3 x))``, under the official names."""

    def __init__(self, inputs: int, hidden: int, outputs: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.fc1, self.fc3 = nn.Linear(inputs, hidden), nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., inputs)`` to ``(..., outputs)``."""
        return self.fc2(F.silu(self.dropout(self.fc1(x))) * self.dropout(self.fc3(x)))
