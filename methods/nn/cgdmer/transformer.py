"""A pre-norm transformer block (Xiong et al., ICML 2020) that ignores padding, and sine positions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.attention import attend


class Block(nn.Module):
    """Self-attention, then a feed-forward part of four times the width, each with its residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is no multiple of {heads} heads")
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None, last: int | None = None) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape, ignoring tokens where `mask` ``(batch, token)`` is False.

        With `last` only that many tokens at the end are computed; they still attend to all.
        """
        normed = self.norm1(x)
        if last is None:
            projections = self.qkv(normed).chunk(3, dim=-1)
        else:
            width, weight, bias = x.shape[-1], self.qkv.weight, self.qkv.bias
            keys_values = F.linear(normed, weight[width:], bias[width:]).chunk(2, dim=-1)
            projections = (F.linear(normed[:, -last:], weight[:width], bias[:width]), *keys_values)
            x = x[:, -last:]
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in projections)
        x = x + self.out(attend(q, k, v, mask).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


def masked_mean(tokens: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean token ``(batch, width)`` over the tokens where `mask` ``(batch, token)`` is True."""
    if mask is None:
        return tokens.mean(1)
    real = mask.unsqueeze(-1)
    return (tokens * real).sum(1) / real.sum(1).clamp(min=1)


def sine_positions(count: int, width: int) -> Tensor:
    """Return sines and cosines of falling frequency (Vaswani et al., 2017), ``(count, width)``; `width` is even."""
    angles = torch.arange(count)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
