"""Random subsets of a recording's tokens: the two views of DERI's RME module (IJCAI 2025)."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_random_views(tokens: Tensor, count: int, keep_order: bool = False) -> tuple[Tensor, Tensor]:
    """Draw two independent subsets of `count` tokens: ``(batch, token, dim)`` -> twice ``(batch, count, dim)``.

    The release returns the tokens in the order of the noise that selected them, so that their order in time is lost;
    `keep_order` sorts them by time.
    """
    first, second = (torch.rand(tokens.shape[:2], device=tokens.device).argsort(dim=1) for _ in range(2))
    return _gather(tokens, first[:, :count], keep_order), _gather(tokens, second[:, -count:], keep_order)


def _gather(tokens: Tensor, positions: Tensor, keep_order: bool) -> Tensor:
    if keep_order:
        positions = positions.sort(dim=1).values
    return tokens.gather(1, positions.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
