"""Training on several processes, with the result that one process would have had.

Every process holds the whole method and a shard of each global batch. They act as one training: losses see
gathered rows (``methods/nn/gather.py``), BatchNorm takes the statistics of the global batch, gradients are
averaged once per optimiser step, and every decision (stop, NaN) is taken together. Gradients are averaged here
and not by torch's DistributedDataParallel, whose buckets are laid out anew after its first step: the sums of a
resumed training would then differ in their last bits. Alone, everything here does nothing.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.errors import BenchmarkError, UsageError, raise_all

T = TypeVar("T")

PATIENCE = timedelta(hours=1)  # longest wait for another process, which may be evaluating or writing
BUCKET = 8_000_000  # gradient elements per collective


def active() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    return dist.get_rank() if active() else 0


def size() -> int:
    return dist.get_world_size() if active() else 1


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """Join the processes that torchrun's or submitit's variables describe, if any; yield this process's device.

    RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT describe the group, LOCAL_RANK names our GPU.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield device
        return
    variables = ("RANK", "MASTER_ADDR", "MASTER_PORT")
    missing = [f"{name} is not set" for name in variables if name not in os.environ]
    raise_all(missing, f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, so this is one of several processes, but:")
    cuda = torch.device(device).type == "cuda"
    if cuda:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def everyone(value: T) -> list[T]:
    """Return the `value` of every process, by rank."""
    if not active():
        return [value]
    values: list[Any] = [None] * size()
    dist.all_gather_object(values, value)
    return values


def mean(numbers: Tensor) -> Tensor:
    """Return the mean over processes of a tensor that has the same shape on each."""
    if active():
        dist.all_reduce(numbers)
        numbers /= size()
    return numbers


def shard(positions: np.ndarray) -> np.ndarray:
    """Return this process's part of a global batch: contiguous, in the order of ranks, as `gather` expects it."""
    if len(positions) % size():
        raise UsageError(
            f"a batch of {len(positions)} cannot be divided among {size()} processes; batch_size counts the global "
            "batch: make it a multiple of the number of processes, and no larger than the data"
        )
    return np.split(positions, size())[rank()]


def average_gradients(weights: Sequence[nn.Parameter]) -> None:
    """Average the gradients over all processes, in buckets whose layout never changes.

    A weight that got a gradient on some process gets one on all; one that got none anywhere keeps None.
    """
    if not active():
        return
    has_gradient = torch.tensor(
        [weight.grad is not None for weight in weights], device=weights[0].device, dtype=torch.int32
    )
    dist.all_reduce(has_gradient)
    gradients = []
    for weight, count in zip(weights, has_gradient.tolist(), strict=True):
        if count:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            gradients.append(weight.grad)
    buckets = [(bucket, torch.cat([g.reshape(-1) for g in bucket])) for bucket in _buckets(gradients)]
    for work in [dist.all_reduce(flat, async_op=True) for _, flat in buckets]:
        work.wait()
    for bucket, flat in buckets:
        flat /= size()
        for gradient, part in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
            gradient.copy_(part.view_as(gradient))


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Yield neighbouring gradients of one type, up to `BUCKET` elements in all."""
    bucket: list[Tensor] = []
    for gradient in gradients:
        full = sum(g.numel() for g in bucket) + gradient.numel() > BUCKET
        if bucket and (full or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


@contextmanager
def global_batch_norm(module: nn.Module) -> Iterator[None]:
    """Let BatchNorm layers in train mode see the global batch within this context, on any device.

    torch's own SyncBatchNorm works on GPUs only and replaces the layers, hence the subclasses that methods use.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)] if active() else []
    for layer in layers:
        layer.forward = functools.partial(_global_batch_norm, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


class _Sum(torch.autograd.Function):
    """Sum over processes; its backward pass sums their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _global_batch_norm(layer: _BatchNorm, x: Tensor) -> Tensor:
    """Normalise ``(batch, channel, ...)`` over the batches of all processes."""
    if not layer.training:
        return type(layer).forward(layer, x)
    others = [0, *range(2, x.ndim)]
    shape = [1, -1] + [1] * (x.ndim - 2)
    values = x.float()  # statistics in float32 even under autocast
    total = _Sum.apply(torch.cat([values.sum(others), values.new_full((1,), x.numel() / x.shape[1])]))
    count = total[-1].detach()
    centred = values - (total[:-1] / count).view(shape)
    variance = _Sum.apply(centred.square().sum(others)) / count
    if layer.running_mean is not None and layer.running_var is not None:
        layer.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        share = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum  # type: ignore[arg-type]
        with torch.no_grad():
            layer.running_mean.lerp_(total[:-1] / count, share)
            layer.running_var.lerp_(variance * count / (count - 1).clamp(min=1), share)
    scale = torch.rsqrt(variance + layer.eps)
    scale = scale if layer.weight is None else scale * layer.weight
    result = centred * scale.view(shape)
    return (result if layer.bias is None else result + layer.bias.view(shape)).to(x.dtype)


def refuse_differences(module: nn.Module) -> None:
    """Refuse processes that start from different states: each would train a method of its own."""
    if not active():
        return
    total = hashlib.sha256()
    for name, value in module.state_dict().items():
        total.update(name.encode() + value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    if len(set(everyone(total.hexdigest()))) > 1:
        raise BenchmarkError("the processes start from different weights; they need the same code and the same data")
