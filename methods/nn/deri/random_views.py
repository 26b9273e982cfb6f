"""Random subsets of a recording's tokens: the two views of DERI's RME module (IJCAI 2025)."""

from __future__ import annotations

import torch
from torch import Tensor


def random_views(tokens: Tensor, kept: int, keep_order: bool = False) -> tuple[Tensor, Tensor]:
    """Two independent subsets of `kept` tokens each: ``(batch, token, dim)`` -> twice ``(batch, kept, dim)``.

    The release hands the tokens on in the order of the noise that chose them, which takes their places in time from
    them; `keep_order` sorts them back.
    """
    first, second = (torch.rand(tokens.shape[:2], device=tokens.device).argsort(dim=1) for _ in range(2))
    return _gather(tokens, first[:, :kept], keep_order), _gather(tokens, second[:, -kept:], keep_order)


def _gather(tokens: Tensor, places: Tensor, keep_order: bool) -> Tensor:
    if keep_order:
        places = places.sort(dim=1).values
    return tokens.gather(1, places.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
