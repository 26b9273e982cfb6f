"""The whole global batch on every process: negatives come from all of them, and so do gradients.

Each process evaluates the loss of the global batch; the backward pass of the gathering sums the gradients of all
processes, and the average over processes that follows gives exactly the gradient that one process would have
computed from the same global batch. A loss that is a mean over its rows needs no gathering: shards have equal
sizes, so the average over processes is that mean; `global_mean` is for means over uneven numbers (masked tokens).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def processes() -> int:
    """How many processes train together; 1 when alone."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _Gather(torch.autograd.Function):
    """Concatenate the rows of all processes; backward, the gradients that all of them have for our rows are summed."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(processes())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.chunk(processes())[dist.get_rank()]


def gather(rows: Tensor) -> Tensor:
    """``(batch, ...)`` of this process -> ``(processes * batch, ...)``, in the order of ranks; alone: unchanged."""
    if processes() == 1:
        return rows
    return _Gather.apply(rows)


def gather_texts(texts: list[str]) -> list[str]:
    """The texts of the global batch, in the order of `gather`."""
    if processes() == 1:
        return texts
    found: list[list[str]] = [[] for _ in range(processes())]
    dist.all_gather_object(found, texts)
    return [text for part in found for text in part]


def global_mean(values: Tensor) -> Tensor:
    """Share of this process in the mean of all processes' `values` ``(n,)``: the average of the shares is that mean.

    0, with a gradient of 0, where no process has a value.
    """
    count = torch.tensor(float(values.numel()), device=values.device)
    if processes() > 1:
        dist.all_reduce(count)
    return values.sum() * (processes() / count.clamp(min=1))
