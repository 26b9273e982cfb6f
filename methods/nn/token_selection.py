"""Selection of some tokens of each sequence, by rows of one long list: expanded indices cost several times more."""

from __future__ import annotations

import torch
from torch import Tensor


def select_tokens(tokens: Tensor, positions: Tensor) -> Tensor:
    """Return the tokens of ``(batch, token, width)`` at the positions ``(batch, n)``: ``(batch, n, width)``."""
    rows = _rows(positions, tokens.shape[1])
    return tokens.flatten(0, 1).index_select(0, rows).unflatten(0, positions.shape)


def place_tokens(tokens: Tensor, positions: Tensor, length: int) -> Tensor:
    """Return ``(batch, length, width)`` with the tokens ``(batch, n, width)`` at their positions, and 0 elsewhere.

    No position ``(batch, n)`` occurs twice in a sequence.
    """
    empty = tokens.new_zeros(len(tokens) * length, tokens.shape[-1])
    return empty.index_copy(0, _rows(positions, length), tokens.flatten(0, 1)).unflatten(0, (-1, length))


def _rows(positions: Tensor, length: int) -> Tensor:
    """Return where the positions ``(batch, n)`` lie when all sequences of `length` tokens follow each other."""
    starts = length * torch.arange(len(positions), device=positions.device)
    return (positions + starts.unsqueeze(1)).flatten()
