"""DERI's decoder from the tokens of one modality to the features of the other (IJCAI 2025).

A small pre-norm transformer over ``[SEP] tokens [SEP]``; parameters carry the official names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.nn.deri.gated_mlp import GatedMlp
from methods.nn.vit1d import Attention, PreNorm


class DropPath(nn.Module):
    """Stochastic depth: in training, drop a residual branch for a share `rate` of the examples."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, ...)`` to the same shape; the remaining examples are scaled up, so that the mean stays."""
        if not self.training or self.rate == 0:
            return x
        survives = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * survives / (1 - self.rate)


class DecoderBlock(nn.Module):
    """Attention and gated feed-forward, each with its residual."""

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.attn = PreNorm(width, Attention(width, heads))
        self.ff = PreNorm(width, GatedMlp(width, width, width, dropout=0.0))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape; `mask` ``(batch, token)`` is False on padding."""
        x = x + self.drop_path(self.attn(x, mask))
        return x + self.drop_path(self.ff(x))


class TokenDecoder(nn.Module):
    """A decoder of up to `tokens` tokens: ``(batch, token, width)`` -> ``(batch, token, outputs)``.

    In training, blocks are dropped with rates from 0 to `drop_path`. Positions are drawn from N(0, 1), unscaled, as in
    the official class.
    """

    def __init__(
        self,
        tokens: int,
        width: int,
        outputs: int,
        depth: int = 2,
        heads: int = 8,
        dropout: float = 0.2,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        self.tokens, self.depth = tokens, depth
        self.to_patch = GatedMlp(width, width, width, dropout)
        self.pos_embedding = nn.Parameter(torch.randn(1, tokens + 2, width))
        self.sep_embedding = nn.Parameter(torch.randn(width))
        for index, rate in enumerate(torch.linspace(0, drop_path, depth).tolist()):
            self.add_module(f"block{index}", DecoderBlock(width, heads, rate))
        self.norm = nn.LayerNorm(width)
        self.head = GatedMlp(width, width, outputs, dropout)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map ``(batch, token, width)`` to ``(batch, token, outputs)``; `mask` ``(batch, token)`` is False on padding.

        Fewer tokens than the decoder was built for use the first positions; the closing separator has its own. Raises
        ValueError for more tokens.
        """
        count = tokens.shape[1]
        if count > self.tokens:
            raise ValueError(f"this TokenDecoder was built for {self.tokens} tokens and was given {count}")
        position = self.pos_embedding
        separator = self.sep_embedding.expand(len(tokens), 1, -1)
        x = self.to_patch(tokens) + position[:, 1 : count + 1]
        x = torch.cat([separator + position[:, :1], x, separator + position[:, -1:]], dim=1)
        if mask is not None:
            mask = nn.functional.pad(mask, (1, 1), value=True)  # separators are never padding
        for index in range(self.depth):
            x = self.get_submodule(f"block{index}")(x, mask)
        return self.head(self.norm(x[:, 1:-1]))
