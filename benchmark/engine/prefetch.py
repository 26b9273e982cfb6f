"""Pipelines that keep a GPU busy: batches are read ahead, and results are fetched while it computes the next.

On a CPU, whose cores are busy anyway, nothing is read ahead and results are taken at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

READERS = 8  # batches read at a time, where there are cores: one thread reads fewer recordings than a GPU encodes

Item = TypeVar("Item")
Value = TypeVar("Value")


def on_gpu(device: str) -> bool:
    return torch.device(device).type == "cuda"


def read_ahead(read: Callable[[Item], Value], items: Iterable[Item], device: str) -> Iterator[Value]:
    """Yield ``read(item)`` in the order of `items`; for a GPU up to `READERS` items ahead, in threads.

    `read` must not draw random numbers: those belong to the steps. Its errors are raised when the result is requested.
    """
    if not on_gpu(device):
        yield from map(read, items)
        return
    threads = min(READERS, _cores())
    with ThreadPoolExecutor(threads) as readers:
        waiting: deque[Future[Value]] = deque()
        for item in items:
            waiting.append(readers.submit(read, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def pinned(tensor: Tensor, device: str) -> Tensor:
    """Return, for a GPU, a copy in pinned memory, so that no step waits for the transfer; none of what lies there."""
    return tensor.pin_memory() if on_gpu(device) and not tensor.is_cuda else tensor


def run_pipelined(function: Callable[[Tensor], Tensor], batches: Iterable[Tensor], device: str) -> Iterator[Tensor]:
    """Yield ``function(batch)`` of each batch, without gradients, as float32 on the CPU.

    A GPU starts on a batch before the result of the one before it is fetched. Batches should be `pinned`.
    """
    late = 1 if on_gpu(device) else 0  # results that are not fetched yet
    waiting: deque[Tensor] = deque()
    for batch in batches:
        with torch.inference_mode():  # not around the yield: the caller's own work may need gradients
            waiting.append(function(batch.to(device, non_blocking=True)).float())
        if len(waiting) > late:
            yield waiting.popleft().cpu()
    while waiting:
        yield waiting.popleft().cpu()


def _cores() -> int:
    """Return the number of cores that this process may use: in a SLURM job often fewer than the machine has."""
    usable = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(usable(0)) if usable else os.cpu_count() or 1
