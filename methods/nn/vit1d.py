"""ViT-1D as MERL pre-trains it: patches of 50 samples, no class token, pre-norm blocks, mean of the tokens.

Liu et al., ICML 2024; parameters carry the names of the official checkpoints.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.encoder import Encoder

WIDTHS = {"vit_tiny": 192, "vit_small": 384, "vit_middle": 512, "vit_base": 768}
HEAD = 64  # channels of one attention head, whatever the width


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * heads * HEAD)
        self.to_out = nn.Sequential(nn.Linear(heads * HEAD, width), nn.Dropout(0.0))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(batch, token, width)`` -> the same shape; `mask` is ``(batch, token)``, bool: which tokens are read."""
        qkv = self.to_qkv(x).unflatten(-1, (3, self.heads, HEAD))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, head, token, channel)
        seen = None if mask is None else mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.to_out(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Linear - GELU - Linear; the official module numbers its dropouts of rate 0, hence ``net.3``."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.0), nn.Linear(hidden, width), nn.Dropout(0.0)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class PreNorm(nn.Module):
    """``fn(norm(x), ...)``."""

    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = fn

    def forward(self, x: Tensor, *more: Any) -> Tensor:
        return self.fn(self.norm(x), *more)


class Block(nn.Module):
    """Attention and feed-forward, each with its residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = PreNorm(width, Attention(width, heads))
        self.ff = PreNorm(width, FeedForward(width, 4 * width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.ff(x)


class ViT1D(Encoder):
    """``(batch, lead, time)`` -> ``(batch, width)``; `samples` fixes how many tokens there are.

    Samples behind the last whole patch are not seen. Positions are drawn from N(0, 1), unscaled, as
    in the official class. The output has the recordings' precision, whatever the weights have.
    """

    def __init__(self, samples: int, width: int = 192, leads: int = 12, patch: int = 50, depth: int = 12) -> None:
        super().__init__()
        self.channels, self.depth, self.samples = width, depth, samples
        self.to_patch_embedding = nn.Conv1d(leads, width, patch, patch, bias=False)
        self.pos_embedding = nn.Parameter(torch.randn(1, samples // patch, width))
        for index in range(depth):
            self.add_module(f"block{index}", Block(width, max(1, width // HEAD)))
        self.norm = nn.LayerNorm(width)

    def forward(self, ecg: Tensor) -> Tensor:
        """``(batch, lead, time)`` -> normalised mean token ``(batch, width)``."""
        return self.norm(self.tokens(ecg).mean(1)).to(ecg.dtype)

    def tokens(self, ecg: Tensor) -> Tensor:
        """``(batch, lead, time)`` -> ``(batch, token, width)``, not normalised."""
        if ecg.shape[-1] != self.samples:
            raise ValueError(f"this ViT1D was built for {self.samples} samples and was given {ecg.shape[-1]}")
        x = self.to_patch_embedding(ecg.to(self.pos_embedding.dtype)).transpose(1, 2)  # (batch, token, width)
        x = x + self.pos_embedding
        for index in range(self.depth):
            x = self.get_submodule(f"block{index}")(x)
        return x
