"""The whole global batch on every process: negatives come from all of them, and so do gradients.

Each process evaluates the loss of the global batch; the backward pass of the gathering sums the gradients of all
processes, and the average over processes that follows gives exactly the gradient that one process would have
computed from the same global batch.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def gather(rows: Tensor) -> Tensor:
    """``(batch, ...)`` of this process -> ``(processes * batch, ...)``, in the order of ranks; alone: unchanged."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(rows.contiguous()))
