"""MELP's pooling: learned queries that read the tokens of a recording, as in CoCa (Yu et al., TMLR 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.nn.attention import attend


class AttentionalPooler(nn.Module):
    """Multi-head attention of `queries` learned vectors to tokens, without a residual.

    Maps ``(batch, token, inputs)`` to ``(batch, query, width)``. Parameters carry the names of the official class,
    whose attention is torch's: one projection of queries, keys and values where `inputs` is `width`, else three.
    """

    def __init__(self, inputs: int, width: int, queries: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Parameter(torch.randn(queries, width))
        self.attn = nn.MultiheadAttention(width, heads, kdim=inputs, vdim=inputs, batch_first=True)
        self.ln_q, self.ln_k = nn.LayerNorm(width), nn.LayerNorm(inputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(batch, token, inputs)`` to ``(batch, query, width)``."""
        layer, tokens = self.attn, self.ln_k(tokens)
        biases = layer.in_proj_bias.chunk(3)
        if layer.in_proj_weight is None:
            weights = (layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight)
        else:
            weights = layer.in_proj_weight.chunk(3)
        queries = self.ln_q(self.query).expand(len(tokens), -1, -1)
        q, k, v = (
            nn.functional.linear(x, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((queries, tokens, tokens), weights, biases, strict=True)
        )
        return layer.out_proj(attend(q, k, v).transpose(1, 2).flatten(2))
