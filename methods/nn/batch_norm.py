"""Batch normalisation for projectors, which may receive a batch of one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that uses its running statistics for a batch of one.

    A single row has no variance of its own.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, dim)`` to ``(batch, dim)``."""
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)
