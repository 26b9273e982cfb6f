"""Co-attention of two streams: BERT layers with cross-attention, and the poolers after them.

The fusion of M3AE (Chen et al., MICCAI 2022) as C-MELT uses it; parameters carry the names of the official
checkpoints, which are BERT's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.attention import attend, project_together
from methods.nn.masked_words import EPSILON
from methods.nn.token_selection import place_tokens, select_tokens


class CoAttentionLayer(nn.Module):
    """Self-attention, cross-attention to the other stream, feed-forward; a norm after each residual."""

    def __init__(self, width: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.crossattention = Attention(width, heads, dropout)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, 4 * width)})
        self.output = Residual(4 * width, width, dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        other: Tensor,
        other_mask: Tensor | None,
        queries: Tensor | None = None,
    ) -> Tensor:
        """Map `x` ``(batch, token, width)`` to the same shape; it attends to `other` ``(batch, other token, width)``.

        Masks ``(batch, token)`` are True at real tokens. With `queries` ``(batch, n, width)``, some tokens of `x`, only
        these are computed.
        """
        x = self.attention(x if queries is None else queries, x, mask)
        x = self.crossattention(x, other, other_mask)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


def attend_to_each_other(
    language: nn.Module,
    ecg: nn.Module,
    text: Tensor,
    patches: Tensor,
    mask: Tensor,
    read: Tensor | None = None,
    all_patches: bool = True,
) -> tuple[Tensor, Tensor]:
    """Return both streams after a `CoAttentionLayer` each: ``(batch, word, width)`` and ``(batch, patch, width)``.

    `mask` ``(batch, word)`` is True at real words. With `read` ``(batch, word)`` bool only these words and the first
    one are computed, and the others are 0. Without `all_patches` only the first token of the ECG is computed.
    """
    first = None if all_patches or read is None else patches[:, :1]
    new_patches = ecg(patches, None, text, mask, first)
    if read is None or read.device.type != "cpu":  # how many words are read would have to be fetched from a GPU
        return language(text, mask, patches, None), new_patches
    positions = _positions_of(read)
    states = language(text, mask, patches, None, select_tokens(text, positions))
    return place_tokens(states, positions, text.shape[1]), new_patches


def _positions_of(read: Tensor) -> Tensor:
    """Return positions ``(batch, n)`` that hold the first word and all those of `read` ``(batch, word)``."""
    read = read | (torch.arange(read.shape[1]) == 0)
    return (~read).to(torch.uint8).argsort(dim=1, stable=True)[:, : int(read.sum(1).max())]


class Attention(nn.Module):
    """Multi-head attention of one sequence to another (or to itself) with its residual and norm."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.self = QueryKeyValue(width)
        self.output = Residual(width, width, dropout)

    def forward(self, x: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        """Map `x` ``(batch, token, width)`` to the same shape, with attention to `source` where `mask` is True."""
        query, key, value = self.self.query, self.self.key, self.self.value
        if source is x:
            projections = project_together(x, query, key, value)
        else:
            projections = (query(x), *project_together(source, key, value))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in projections)
        mixed = attend(q, k, v, mask, self.dropout if self.training else 0.0)
        return self.output(mixed.transpose(1, 2).flatten(2), x)


class QueryKeyValue(nn.Module):
    """The three projections of BERT's attention, under their official names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))


class Residual(nn.Module):
    """``norm(x + dropout(linear(y)))``."""

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, width)
        self.LayerNorm = nn.LayerNorm(width, eps=EPSILON)
        self.dropout = nn.Dropout(dropout)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        """Map `y` ``(..., inputs)`` and `x` ``(..., width)`` to ``(..., width)``."""
        return self.LayerNorm(x + self.dropout(self.dense(y)))


class Pooler(nn.Module):
    """``tanh(linear(first token))``: ``(batch, token, width)`` -> ``(batch, width)`` in (-1, 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to ``(batch, width)`` in (-1, 1)."""
        return torch.tanh(self.dense(tokens[:, 0]))
