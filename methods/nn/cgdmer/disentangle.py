"""Keeping two representations of the same thing apart: what one holds, the other should not."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.nn.gather import gather


def squared_cosines(x: Tensor, y: Tensor) -> Tensor:
    """``(batch, dim)`` twice -> the squared cosine of each pair of rows, ``(batch,)``: 0 orthogonal, 1 parallel."""
    with torch.autocast(x.device.type, enabled=False):
        return F.cosine_similarity(x.float(), y.float(), dim=-1).square()


def cross_correlation(x: Tensor, y: Tensor) -> Tensor:
    """``||X^T Y||_F^2 / dim^2`` of unit rows centred over the global batch; 0 where no linear map links the two.

    After the difference loss of Bousmalis et al., "Domain Separation Networks", NeurIPS 2016; X, Y ``(batch, dim)``.
    """
    with torch.autocast(x.device.type, enabled=False):
        x, y = (F.normalize(gather(each).float(), dim=-1) for each in (x, y))
        product = (x - x.mean(0)).T @ (y - y.mean(0))
        return product.square().sum() / product.shape[0] ** 2
