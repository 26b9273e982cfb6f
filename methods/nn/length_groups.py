"""Computation over texts of different length without most of their padding.

A batch of 128 reports of PTB-XL is padded to its longest, and about a quarter of the tokens are real. On a CPU the cost
of a text is its length, so rows of similar length are computed together, each group padded to a width of its own. On an
accelerator all rows are computed together, padded to one of few shapes: kernels are chosen, compiled and captured for a
shape. The results are those of the padded batch up to rounding; only dropout draws other random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTHS = (16, 32, 64, 128, 256)  # tokens to which the texts of a group are padded
WIDTH_STEP = 16  # tokens; the least difference of two widths to which all texts of a batch are padded together
SMALLEST_GROUP = 512  # tokens; smaller groups join the next wider one, since each group has costs of its own


def has_fixed_shapes(device: torch.device) -> bool:
    """Whether texts are padded to few shapes on `device`: on every accelerator."""
    return device.type != "cpu"


def fixed_width(tokens: int, limit: int) -> int:
    """Return the next of few widths, but no more than `limit`, unless there are more tokens already."""
    return max(tokens, min(_next_size(tokens, WIDTH_STEP), limit))


def fixed_count(rows: int) -> int:
    """Return the next of few numbers of rows."""
    return _next_size(rows, 1)


def _next_size(number: int, least_step: int) -> int:
    """Return the next of the sizes of which each doubling has four, or fewer by `least_step`."""
    step = max(1 << max(number.bit_length() - 3, 0), least_step)
    return -(-number // step) * step


def length_groups(mask: Tensor) -> list[tuple[Tensor, int]]:
    """Return groups of rows of `mask` ``(batch, token)``, True at real tokens: their positions and their width.

    Real tokens come first in each row. On an accelerator all rows form one group, since there each group would wait
    for its kernels to start.
    """
    tokens = mask.shape[1]
    if has_fixed_shapes(mask.device) or mask.numel() < 2 * SMALLEST_GROUP:
        return [(torch.arange(len(mask), device=mask.device), tokens)]
    lengths = mask.sum(1)
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
    limit: int = 0,
) -> list[Tensor]:
    """Return the outputs of ``function(mask, *inputs, *others)``, computed in groups of rows of similar length.

    `mask` is ``(batch, token)``; inputs start with the same two dimensions, `others` with ``(batch,)``. `by_token` says
    which outputs start with both dimensions; their padding is 0, or means nothing. The rest start with ``(batch,)``.
    `limit` is the largest number of tokens to which `function` may be padded; 0: to none beyond those of `mask`.
    """
    if has_fixed_shapes(mask.device):
        return _apply_to_fixed_shape(function, mask, inputs, by_token, others, limit)
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


def _apply_to_fixed_shape(
    function: Callable[..., Sequence[Tensor]],
    mask: Tensor,
    inputs: Sequence[Tensor],
    by_token: Sequence[bool],
    others: Sequence[Tensor],
    limit: int,
) -> list[Tensor]:
    """Return what `apply_by_length` does, from one call of `function` with one of few shapes."""
    rows, tokens = mask.shape
    count, width = fixed_count(rows), fixed_width(tokens, limit)
    mask, *inputs = (_pad_rows(_pad_tokens(x, width), count) for x in (mask, *inputs))
    outputs = function(mask, *inputs, *(_pad_rows(x, count) for x in others))
    return [x[:rows, :tokens] if has_tokens else x[:rows] for x, has_tokens in zip(outputs, by_token, strict=True)]


def _pad_rows(x: Tensor, rows: int) -> Tensor:
    """Pad ``(batch, ...)`` to `rows` rows by copies of the first: a row without any token would become NaN."""
    return x if rows == len(x) else torch.cat([x, x[:1].expand(rows - len(x), *x.shape[1:])])


def _pad_tokens(x: Tensor, tokens: int) -> Tensor:
    """Pad ``(batch, token, ...)`` with zeros to `tokens` tokens."""
    return F.pad(x, (*[0] * (2 * (x.ndim - 2)), 0, tokens - x.shape[1]))


def distinct(texts: Sequence[str]) -> tuple[list[str], Tensor]:
    """Return each different text once, in the order of its first appearance, and of each text its position there."""
    positions: dict[str, int] = {}
    index = [positions.setdefault(text, len(positions)) for text in texts]
    return list(positions), torch.tensor(index, dtype=torch.long)
