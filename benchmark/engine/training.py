"""The one training loop: pre-training on reports and supervised training on labels both run through it.

AdamW, linear warm-up and cosine decay, bf16 autocast on request, gradient accumulation, a new shuffle per
epoch that depends on (seed, epoch) alone, and checkpoints from which a killed run goes on as if it had not
been killed: same batches, same random numbers, bit-equal losses on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from benchmark.api import Batch, TrainableMethod
from benchmark.atomic import atomic_path
from benchmark.canonical import canonical
from benchmark.configuration import complete
from benchmark.engine.events import Event, Report
from benchmark.errors import BenchmarkError, UsageError, raise_all


@dataclass(frozen=True)
class TrainingConfig:
    """Options of a training; all of them affect the weights, so all of them are part of a cell's key."""

    epochs: int = 10
    batch_size: int = 64
    accumulate: int = 1  # batches per optimiser step
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.05  # share of the steps
    clip: float = 1.0  # gradient norm; 0: none
    min_steps: int = 0  # small sets get more epochs until they reach this many steps
    precision: str = "fp32"  # or "bf16" (autocast)
    seed: int = 0

    def __post_init__(self) -> None:
        checks = {
            f"epochs is {self.epochs}, it must be at least 1": self.epochs >= 1,
            f"batch_size is {self.batch_size}, it must be at least 1": self.batch_size >= 1,
            f"accumulate is {self.accumulate}, it must be at least 1": self.accumulate >= 1,
            f"lr is {self.lr}, it must be positive": self.lr > 0,
            f"warmup is {self.warmup}, it must lie in [0, 1)": 0 <= self.warmup < 1,
            f"precision is {self.precision!r}, it must be fp32 or bf16": self.precision in ("fp32", "bf16"),
        }
        raise_all([problem for problem, holds in checks.items() if not holds], "a training cannot run so:")

    @classmethod
    def from_options(cls, options: dict[str, Any], where: str) -> TrainingConfig:
        return cls(**complete(cls, options, where))


class TrainingData(Protocol):
    """What the loop draws its batches from."""

    def __len__(self) -> int: ...

    def batch(self, positions: np.ndarray) -> Batch:
        """The examples at `positions`, tensors on the CPU."""


class TrainingError(BenchmarkError):
    """The loss became NaN or infinite; names the recordings of the batch."""


@dataclass
class Progress:
    """Where a training stands: complete epochs, optimiser steps, and the mean losses of each epoch."""

    epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def train(
    method: TrainableMethod,
    data: TrainingData,
    config: TrainingConfig,
    title: str,
    report: Report,
    device: str = "cpu",
    checkpoint: Path | None = None,
    after_epoch: Callable[[Progress], dict[str, float]] | None = None,
    groups: list[dict[str, Any]] | None = None,
) -> Progress:
    """Train `method` in place and return the history; it is left in eval mode.

    `groups` are the optimiser's parameter groups where they differ: each has "params" and a "scale" of its rate.
    With a `checkpoint` path the state after every epoch is kept there and a later call goes on from it.
    `after_epoch` may return more numbers for the history (a validation loss).
    """
    if not isinstance(method, torch.nn.Module):
        raise UsageError(f"{type(method).__name__} is no torch module; it cannot be trained")
    if len(data) == 0:
        raise UsageError(f"{title}: there is nothing to train on")
    per_epoch = steps_per_epoch(len(data), config)
    epochs = number_of_epochs(len(data), config)
    weights = [weight for weight in method.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(groups or weights, lr=config.lr, weight_decay=config.weight_decay)
    progress = Progress()
    if config.precision == "bf16" and device == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        report(Event("note", f"{title}: this CPU has no bf16 arithmetic, fp32 would be many times faster"))
    torch.manual_seed(config.seed)
    method.to(device)
    if checkpoint is not None and checkpoint.is_file():
        progress = _resume(checkpoint, method, optimiser, config, report)
    while progress.epoch < epochs:
        method.train()
        losses = _epoch(method, data, config, optimiser, progress, epochs * per_epoch, title, report, device)
        progress.epoch += 1
        method.eval()
        losses.update(after_epoch(progress) if after_epoch else {})
        progress.history.append({"epoch": progress.epoch, **losses})
        if checkpoint is not None:
            _keep(checkpoint, method, optimiser, config, progress)
    method.eval()
    return progress


def steps_per_epoch(examples: int, config: TrainingConfig) -> int:
    batches = max(examples // config.batch_size, 1)  # a last, smaller batch would upset BatchNorm and negatives
    return math.ceil(batches / config.accumulate)


def number_of_epochs(examples: int, config: TrainingConfig) -> int:
    return max(config.epochs, math.ceil(config.min_steps / steps_per_epoch(examples, config)))


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """Linear warm-up, then a half cosine down to 0."""
    warm = round(config.warmup * steps)
    if step < warm:
        return config.lr * (step + 1) / warm
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def shuffled_batches(examples: int, config: TrainingConfig, epoch: int) -> list[np.ndarray]:
    """Batches of one epoch; a function of seed and epoch alone, so that a resumed run sees the same ones."""
    order = np.random.default_rng([config.seed, epoch]).permutation(examples)
    full = max(examples // config.batch_size, 1)
    return [order[i * config.batch_size : (i + 1) * config.batch_size] for i in range(full)]


def _epoch(
    method: TrainableMethod,
    data: TrainingData,
    config: TrainingConfig,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    steps: int,
    title: str,
    report: Report,
    device: str,
) -> dict[str, float]:
    """One epoch; returns the mean of each named loss and of their sum."""
    sums: dict[str, float] = {}
    batches = shuffled_batches(len(data), config, progress.epoch)
    for group in _grouped(batches, config.accumulate):
        for weights in optimiser.param_groups:
            weights["lr"] = learning_rate(progress.step, steps, config) * weights.get("scale", 1.0)
        optimiser.zero_grad(set_to_none=True)
        for positions in group:
            batch = _to_device(data.batch(positions), device)
            named = _losses(method, batch, config, device)
            total = sum(named.values(), start=torch.zeros((), device=device))
            _refuse_nan(total, named, batch, progress)
            (total / len(group)).backward()
            for name, value in {"loss": total, **named}.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
        if config.clip:
            torch.nn.utils.clip_grad_norm_([w for p in optimiser.param_groups for w in p["params"]], config.clip)
        optimiser.step()
        method.after_step()
        progress.step += 1
        values = {name: float(value.detach()) for name, value in named.items()}
        report(Event("step", title, progress.step, steps, values))
    return {name: total / len(batches) for name, total in sums.items()}


def _losses(method: TrainableMethod, batch: Batch, config: TrainingConfig, device: str) -> dict[str, torch.Tensor]:
    kind = torch.device(device).type
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=config.precision == "bf16"):
        return method.loss(batch)


def mean_losses(method: TrainableMethod, data: TrainingData, config: TrainingConfig, device: str) -> dict[str, float]:
    """Losses in eval mode without gradients, in the order of the data: a validation loss."""
    sums: dict[str, float] = {}
    batches = max(len(data) // config.batch_size, 1)
    with torch.no_grad():
        for start in range(batches):
            positions = np.arange(start * config.batch_size, min((start + 1) * config.batch_size, len(data)))
            for name, value in _losses(method, _to_device(data.batch(positions), device), config, device).items():
                sums[name] = sums.get(name, 0.0) + float(value)
    return {f"val_{name}": total / batches for name, total in sums.items()}


def _grouped(batches: list[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    for start in range(0, len(batches), size):
        yield batches[start : start + size]


def _to_device(batch: Batch, device: str) -> Batch:
    batch.ecg = batch.ecg.to(device, non_blocking=True)
    if batch.labels is not None:
        batch.labels = batch.labels.to(device, non_blocking=True)
    return batch


def _refuse_nan(total: torch.Tensor, named: dict[str, torch.Tensor], batch: Batch, progress: Progress) -> None:
    if torch.isfinite(total):
        return
    values = ", ".join(f"{name} {float(value.detach())}" for name, value in named.items())
    shown = ", ".join(map(str, batch.record_ids[:8])) + (", ..." if len(batch.record_ids) > 8 else "")
    raise TrainingError(
        f"the loss is not finite in epoch {progress.epoch + 1}, step {progress.step + 1} ({values}); "
        f"recordings of the batch: {shown}; lower lr or look at these signals"
    )


def _keep(
    path: Path, method: torch.nn.Module, optimiser: torch.optim.Optimizer, config: TrainingConfig, progress: Progress
) -> None:
    state = {
        "model": method.state_dict(),
        "optimiser": optimiser.state_dict(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "progress": asdict(progress),
        "config": canonical(asdict(config)),
    }
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def _resume(
    path: Path, method: torch.nn.Module, optimiser: torch.optim.Optimizer, config: TrainingConfig, report: Report
) -> Progress:
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["config"] != canonical(asdict(config)):
        raise UsageError(f"{path} belongs to a training with other options; remove it to start anew")
    method.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random_cuda"])
    progress = Progress(**state["progress"])
    report(Event("note", f"resuming after epoch {progress.epoch} from {path}"))
    return progress
