"""Computation over texts of different length without most of their padding.

A batch of 128 reports of PTB-XL is padded to its longest, and about a quarter of the tokens are real. On a CPU the cost
of a text is its length, so rows of similar length are computed together, each group padded to a width of its own. The
results are those of the padded batch up to rounding; only dropout draws other random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTHS = (16, 32, 64, 128, 256)  # tokens to which the texts of a group are padded
SMALLEST_GROUP = 512  # tokens; smaller groups join the next wider one, since each group has costs of its own


def length_groups(mask: Tensor) -> list[tuple[Tensor, int]]:
    """Return groups of rows of `mask` ``(batch, token)``, True at real tokens: their positions and their width.

    Real tokens come first in each row. On a GPU all rows form one group, since there each group would wait for its
    kernels to start.
    """
    lengths = mask.sum(1)
    tokens = mask.shape[1]
    if mask.device.type != "cpu" or mask.numel() < 2 * SMALLEST_GROUP:
        return [(torch.arange(len(mask), device=mask.device), tokens)]
    order = lengths.argsort(stable=True)
    sizes = torch.bucketize(lengths, torch.tensor(WIDTHS)).bincount(minlength=len(WIDTHS) + 1).tolist()
    groups: list[tuple[Tensor, int]] = []
    start = stop = 0
    for size, width in zip(sizes, (*WIDTHS, tokens), strict=True):
        stop, width = stop + size, min(width, tokens)
        if (stop - start) * width >= SMALLEST_GROUP or stop == len(mask) > start:
            groups.append((order[start:stop], width))
            start = stop
    return groups


def apply_by_length(
    function: Callable[..., Sequence[Tensor]],
    mask: Tensor,
    *inputs: Tensor,
    by_token: Sequence[bool],
    others: Sequence[Tensor] = (),
) -> list[Tensor]:
    """Return the outputs of ``function(mask, *inputs, *others)``, computed in groups of rows of similar length.

    `mask` is ``(batch, token)``; inputs start with the same two dimensions, `others` with ``(batch,)``. `by_token` says
    which outputs start with both dimensions; their padding is 0. The rest start with ``(batch,)``.
    """
    groups = length_groups(mask)
    if len(groups) == 1:
        return list(function(mask, *inputs, *others))
    parts = [
        function(mask[rows, :width], *(x[rows, :width] for x in inputs), *(x[rows] for x in others))
        for rows, width in groups
    ]
    inverse = torch.cat([rows for rows, _ in groups]).argsort()
    return [
        torch.cat([_pad_tokens(part, mask.shape[1]) for part in column] if tokens else list(column))[inverse]
        for column, tokens in zip(zip(*parts, strict=True), by_token, strict=True)
    ]


def _pad_tokens(x: Tensor, tokens: int) -> Tensor:
    """Pad ``(batch, token, ...)`` with zeros to `tokens` tokens."""
    return F.pad(x, (*[0] * (2 * (x.ndim - 2)), 0, tokens - x.shape[1]))


def distinct(texts: Sequence[str]) -> tuple[list[str], Tensor]:
    """Return each different text once, in the order of its first appearance, and of each text its position there."""
    positions: dict[str, int] = {}
    index = [positions.setdefault(text, len(positions)) for text in texts]
    return list(positions), torch.tensor(index, dtype=torch.long)
