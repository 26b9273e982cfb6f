"""MERL's attention pooling (after CLIP): one learned query reads a whole sequence.

Liu et al., ICML 2024; parameters carry the names of the official checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.nn.attention import pool_with_query


class AttentionPool(nn.Module):
    """Pool ``(batch, token, dim)`` to ``(batch, outputs)`` by multi-head attention of a class token."""

    def __init__(self, tokens: int, dim: int = 256, heads: int = 4, outputs: int | None = None) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(1, tokens + 1, dim) / dim)
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim))
        self.mhsa = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.c_proj = nn.Linear(dim, outputs or dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(batch, token, dim)`` to ``(batch, outputs)``.

        Raises ValueError for another number of tokens than the module was built for.
        """
        expected = self.positional_embedding.shape[1] - 1
        if tokens.shape[1] != expected:
            raise ValueError(f"this AttentionPool was built for {expected} tokens and was given {tokens.shape[1]}")
        # the official class adds the first position to the class token twice: here and below
        cls = self.cls_token + self.positional_embedding[:, :1]
        constant = torch.cat([cls + self.positional_embedding[:, :1], self.positional_embedding[:, 1:]], dim=1)
        return self.c_proj(pool_with_query(self.mhsa, tokens, constant.squeeze(0)))
