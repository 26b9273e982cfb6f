"""Losses that keep two representations of one input apart, so that they carry different information."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.nn.gather import gather


def squared_cosines(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared cosine of each pair of rows of ``(batch, dim)``, ``(batch,)``: 0 orthogonal, 1 parallel."""
    with torch.autocast(x.device.type, enabled=False):
        return F.cosine_similarity(x.float(), y.float(), dim=-1).square()


def mean_squared_cosine(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean of `squared_cosines` over the batch, a scalar."""
    return squared_cosines(x, y).mean()


def cross_correlation(x: Tensor, y: Tensor) -> Tensor:
    """Return ``||X^T Y||_F^2 / dim^2`` of unit rows centred over the global batch; X and Y are ``(batch, dim)``.

    It is 0 where no linear map relates the two. After the difference loss of Bousmalis et al., "Domain Separation
    Networks", NeurIPS 2016.
    """
    with torch.autocast(x.device.type, enabled=False):
        x, y = (F.normalize(gather(part).float(), dim=-1) for part in (x, y))
        product = (x - x.mean(0)).T @ (y - y.mean(0))
        return product.square().sum() / product.shape[0] ** 2
