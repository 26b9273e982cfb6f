"""ViT-1D as MERL pre-trains it: patches of 50 samples, no class token, pre-norm blocks, mean of the tokens.

Liu et al., ICML 2024; parameters carry the names of the official checkpoints.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from methods.nn.attention import attend
from methods.nn.encoder import Encoder

WIDTHS = {"vit_tiny": 192, "vit_small": 384, "vit_middle": 512, "vit_base": 768}
HEAD = 64  # channels of one attention head, whatever the width
M = TypeVar("M", bound=nn.Module)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * heads * HEAD)
        self.to_out = nn.Sequential(nn.Linear(heads * HEAD, width), nn.Dropout(0.0))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape, ignoring tokens where `mask` ``(batch, token)`` is False."""
        qkv = self.to_qkv(x).unflatten(-1, (3, self.heads, HEAD))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, head, token, channel)
        return self.to_out(attend(q, k, v, mask).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Linear - GELU - Linear; the official module also numbers its dropouts of rate 0, hence ``net.3``."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.0), nn.Linear(hidden, width), nn.Dropout(0.0)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., width)`` to the same shape."""
        return self.net(x)


class PreNorm(nn.Module, Generic[M]):
    """``fn(norm(x), ...)``."""

    def __init__(self, width: int, fn: M) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = fn

    def forward(self, x: Tensor, *more: Any) -> Tensor:
        """Map ``(..., width)`` to the output of `fn`, which also receives `more`."""
        return self.fn(self.norm(x), *more)


class Block(nn.Module):
    """Attention and feed-forward, each with its residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = PreNorm(width, Attention(width, heads))
        self.ff = PreNorm(width, FeedForward(width, 4 * width))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape."""
        x = x + self.attn(x)
        return x + self.ff(x)


class ViT1D(Encoder):
    """A transformer over patches of all leads, ``(batch, lead, time)`` -> ``(batch, width)``.

    `samples` fixes the number of tokens; samples after the last whole patch are ignored. Positions are drawn from N(0,
    1), unscaled, as in the official class. The output has the precision of the recordings, whatever that of the
    weights.
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
        """Return the normalised mean token: ``(batch, lead, time)`` -> ``(batch, width)``."""
        return self.norm(self.tokens(ecg).mean(1)).to(ecg.dtype)

    def tokens(self, ecg: Tensor) -> Tensor:
        """Return the tokens, not normalised: ``(batch, lead, time)`` -> ``(batch, token, width)``.

        Raises ValueError for another number of samples than the module was built for.
        """
        if ecg.shape[-1] != self.samples:
            raise ValueError(f"this ViT1D was built for {self.samples} samples and was given {ecg.shape[-1]}")
        x = self.to_patch_embedding(ecg.to(self.pos_embedding.dtype)).transpose(1, 2)  # (batch, token, width)
        x = x + self.pos_embedding
        for index in range(self.depth):
            x = self.get_submodule(f"block{index}")(x)
        return x
