"""DERI's attention over the tokens of a recording, between two copies of a learned separator (IJCAI 2025)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.nn.attention import multi_head_attention


class SeparatorAttention(nn.Module):
    """Self-attention over ``[SEP] tokens [SEP]`` without residual or norm: ``(batch, token, dim)`` -> the same shape.

    `c_proj` belongs to the official class, which never uses it.
    """

    def __init__(self, tokens: int, dim: int = 256, heads: int = 4) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(1, tokens + 2, dim) / dim)
        self.sep_embedding = nn.Parameter(torch.randn(dim))
        self.mhsa = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.c_proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(batch, token, dim)`` to the same shape.

        Raises ValueError for another number of tokens than the module was built for.
        """
        expected = self.positional_embedding.shape[1] - 2
        if tokens.shape[1] != expected:
            raise ValueError(f"this SeparatorAttention was built for {expected} tokens and was given {tokens.shape[1]}")
        separator = self.sep_embedding.expand(len(tokens), 1, -1)
        x = torch.cat([separator, tokens, separator], dim=1) + self.positional_embedding
        return multi_head_attention(self.mhsa, x, x)[:, 1:-1]
