"""Collect the global batch on every process, so that negatives and gradients come from all processes.

Each process evaluates the loss of the global batch. The backward pass of `gather` sums the gradients of all processes,
and training then averages gradients over processes. The result is the gradient that one process would have computed
from the same global batch. A loss that is a mean over its rows needs no gathering: shards have equal sizes, so the
average over processes is that mean. `global_mean` is for means over uneven numbers of terms (masked tokens).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def process_count() -> int:
    """Return how many processes train together; 1 without distributed training."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _Gather(torch.autograd.Function):
    """Concatenate the rows of all processes; the backward pass sums their gradients for our rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(process_count())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.chunk(process_count())[dist.get_rank()]


def gather(rows: Tensor) -> Tensor:
    """Return the rows of all processes: ``(batch, ...)`` -> ``(processes * batch, ...)``, in the order of ranks.

    A single process gets its rows back unchanged.
    """
    if process_count() == 1:
        return rows
    return _Gather.apply(rows)


def gather_texts(texts: list[str]) -> list[str]:
    """Return the texts of the global batch, in the order of `gather`."""
    if process_count() == 1:
        return texts
    parts: list[list[str]] = [[] for _ in range(process_count())]
    dist.all_gather_object(parts, texts)
    return [text for part in parts for text in part]


def global_mean(values: Tensor) -> Tensor:
    """Return this process's share in the mean of all processes' `values` ``(n,)``.

    The average of the shares over processes is that mean. Where no process has a value it is 0, with a gradient of 0.
    """
    count = torch.full((), float(values.numel()), device=values.device)
    if process_count() > 1:
        dist.all_reduce(count)
    return values.sum() * (process_count() / count.clamp(min=1))
