"""The one training loop: pre-training on reports and supervised training on labels both run through it.

AdamW or SGD, bf16 autocast on request or where the hardware has it, gradient accumulation, one process or many (see
`distributed`), and checkpoints, in the middle of an epoch too, from which a killed run goes on as if it had not been
killed: same batches, same random numbers, bit-equal losses on a CPU. For that, batches are a function of (seed, epoch),
and the random numbers of a step (dropout, masks) of (seed, step, process) alone. A checkpoint of other data, options or
code, or one that is damaged, is set aside, and the training starts anew.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.api import Batch, TrainableMethod
from benchmark.cache.checksums import set_aside
from benchmark.engine import distributed, training_identity
from benchmark.engine.announcing import announced
from benchmark.engine.checkpoints import load_state
from benchmark.engine.compiling import CompiledBlocks
from benchmark.engine.events import Event, EventSink, notes_to
from benchmark.engine.precision import training_precision
from benchmark.engine.preemption import Preempted, asked_to_stop
from benchmark.engine.prefetch import on_gpu, pinned, read_ahead
from benchmark.engine.resident import ResidentData
from benchmark.engine.state_files import read_state, write_state
from benchmark.engine.step_losses import StepLosses
from benchmark.engine.training_data import TrainingData
from benchmark.errors import BenchmarkError, UsageError
from benchmark.planning.training_config import (
    TrainingConfig,
    learning_rate,
    number_of_epochs,
    number_of_steps,
    step_groups,
    steps_per_epoch,
)

CHECKPOINT_SECONDS = 600.0  # a killed run loses at most this much work
MOST_IDS = 8  # record ids named in an error
TRAINING, VALIDATION = 0, 1  # streams of random numbers
SELECTED_BY = {"last": ("", 1), "val_loss": ("val_loss", -1), "zero_shot_val": ("val_zero_shot", 1)}  # column and sign


class TrainingError(BenchmarkError):
    """The loss or its gradient became NaN or infinite; names the recordings of the batch."""


@dataclass
class Progress:
    """Progress of a training, in plain numbers, so that a checkpoint can hold it.

    `sums` are the losses of the epoch at work, summed over its batches; `best` is the epoch that `select` prefers.
    """

    epoch: int = 0  # complete ones
    step: int = 0  # optimiser steps
    history: list[dict[str, float]] = field(default_factory=list)  # mean losses of each epoch
    sums: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)  # its "epoch" and "score"


def train(
    method: TrainableMethod,
    data: TrainingData,
    config: TrainingConfig,
    title: str,
    on_event: EventSink,
    device: str = "cpu",
    checkpoint: Path | None = None,
    after_epoch: Callable[[Progress], dict[str, float]] | None = None,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    groups: list[dict[str, Any]] | None = None,
    best_by: str = "",
) -> Progress:
    """Train `method` in place and return the history; it is left in eval mode, with the weights of the selected epoch.

    With a `checkpoint` path the state is kept there after every epoch and every `checkpoint_every` seconds, and a
    later call on the same data, with the same options and code, goes on from it. `after_epoch` sees the epoch's losses
    as the last of the history and may return more numbers for them (a validation loss, the score that `config.select`
    goes by). `best_by` names one of these, the higher the better, to select by in place of `config.select`; epochs
    without it are not selected. `groups` are the optimiser's parameter groups where they differ: each has "params" and
    a "scale" of its rate.
    Raises `TrainingError` for losses that are not finite and `Preempted` when asked to stop.
    """
    if not isinstance(method, nn.Module):
        raise UsageError(f"{type(method).__name__} is no torch module; it cannot be trained")
    if len(data) == 0:
        raise UsageError(f"{title}: there is nothing to train on")
    method.to(device)
    if config.resident:
        data = ResidentData(data, device)
    training = _Training(method, data, config, title, on_event, device, checkpoint, checkpoint_every, groups, best_by)
    training.start()
    with distributed.global_batch_norm(method):
        training.run(after_epoch)
    return training.progress


def mean_losses(method: TrainableMethod, data: TrainingData, config: TrainingConfig, device: str) -> dict[str, float]:
    """Return ``val_loss`` and its parts in eval mode, in the order of the data, with the same masks at every call."""
    seed_step(config.seed, VALIDATION, 0)
    totals: dict[str, float] = {}
    batches = max(len(data) // config.batch_size, 1)
    with torch.no_grad():
        for start in range(batches):
            positions = np.arange(start * config.batch_size, min((start + 1) * config.batch_size, len(data)))
            positions = positions[: len(positions) // distributed.size() * distributed.size()]
            if not len(positions):  # fewer examples than processes
                return {}
            batch = _to_device(data.batch(distributed.shard(positions)), device)
            parts = _losses(method, batch, config, device)
            values = distributed.mean(_stacked(parts)).tolist()
            for name, value in zip(("loss", *parts), values, strict=True):
                totals[name] = totals.get(name, 0.0) + value
    return {f"val_{name}": total / batches for name, total in totals.items()}


def seed_step(seed: int, stream: int, step: int) -> None:
    """Set torch's random numbers to a function of the arguments and the process."""
    entropy = np.random.SeedSequence([seed, stream, step, distributed.rank()])
    torch.manual_seed(int(entropy.generate_state(1, np.uint64)[0]) >> 1)


class _Training:
    """The fixed and the changing state of one call of `train` (`progress`, the best weights so far)."""

    def __init__(
        self,
        method: TrainableMethod,
        data: TrainingData,
        config: TrainingConfig,
        title: str,
        on_event: EventSink,
        device: str,
        checkpoint: Path | None,
        checkpoint_every: float,
        groups: list[dict[str, Any]] | None,
        best_by: str,
    ) -> None:
        assert isinstance(method, nn.Module)
        # what "auto" comes to is part of the training's identity: one that began in bf16 never ends in fp32
        config = replace(config, precision=training_precision(config.precision, device))
        self.method, self.module, self.data, self.config, self.title = method, method, data, config, title
        self.on_event: EventSink = on_event if distributed.rank() == 0 else (lambda event: None)
        self.device, self.checkpoint, self.checkpoint_every = device, checkpoint, checkpoint_every
        self.best_by = best_by
        self.per_epoch = steps_per_epoch(len(data), config)
        self.epochs, self.steps = number_of_epochs(len(data), config), number_of_steps(len(data), config)
        self.weights = [weight for weight in method.parameters() if weight.requires_grad]
        self.optimiser = _optimiser(groups or _groups(self.weights, config), config)
        self.progress = Progress()
        self.best: dict[str, Tensor] | None = None
        self.blocks = CompiledBlocks(method, device) if config.compile else None
        self.saved_at = time.monotonic()
        self.late = 1 if on_gpu(device) else 0  # steps whose losses are not read yet
        self.identity = training_identity.of(method, data.digest, config)

    def start(self) -> None:
        """Start from the checkpoint of this very training, if there is one; all processes share the same state."""
        bf16_on_cpu = self.config.precision == "bf16" and torch.device(self.device).type == "cpu"
        if bf16_on_cpu and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            self._note("this CPU has no bf16 arithmetic, fp32 would be many times faster")
        if self.checkpoint is not None:
            self._resume_from(self.checkpoint)
        distributed.refuse_differences(self.module)

    def run(self, after_epoch: Callable[[Progress], dict[str, float]] | None) -> None:
        while self.progress.epoch < self.epochs:
            with self.blocks.steps() if self.blocks else nullcontext():
                self._finish_epoch()
            self.module.eval()
            losses = self.progress.history[-1]
            losses.update(after_epoch(self.progress) if after_epoch else {})
            self._select(losses)
            self.keep()
        self.module.eval()
        if self.best is not None:
            self.module.load_state_dict(self.best)

    def _finish_epoch(self) -> None:
        """Finish the current epoch and append its mean losses to the history."""
        self.module.train()
        progress, start = self.progress, time.monotonic()
        earlier = progress.epoch * self.per_epoch
        groups = step_groups(len(self.data), self.config, progress.epoch)[: self.steps - earlier]
        done = progress.step - earlier
        shards = [distributed.shard(positions) for group in groups[done:] for positions in group]
        skip = done * self.config.accumulate
        batches = read_ahead(self._read, announced(shards, self.data, self.config, progress.epoch, skip), self.device)
        unread: deque[StepLosses] = deque()
        for group in groups[done:]:
            unread.append(self._step([next(batches) for _ in group]))
            is_due = time.monotonic() - self.saved_at > self.checkpoint_every
            if self._count_losses(unread, 0 if is_due else self.late):
                self._count_losses(unread, 0)
                self._stop()
            if is_due:
                self.keep()
        if self._count_losses(unread, 0):
            self._stop()
        recordings = sum(len(batch) for group in groups[done:] for batch in group)
        count = sum(map(len, groups))
        progress.epoch += 1
        progress.history.append(
            {"epoch": progress.epoch, **{name: total / count for name, total in progress.sums.items()}}
        )
        progress.sums = {}
        self._note(f"epoch {progress.epoch}, {recordings / (time.monotonic() - start):.1f} recordings/s")

    def _read(self, positions: np.ndarray) -> Batch:
        batch = self.data.batch(positions)
        batch.ecg = pinned(batch.ecg, self.device)
        return batch

    def _step(self, batches: list[Batch]) -> StepLosses:
        """Take one optimiser step over `batches`; nothing here waits for the device (a method's loss may)."""
        progress = self.progress
        for options in self.optimiser.param_groups:
            options["lr"] = learning_rate(progress.step, self.steps, self.config) * options.get("scale", 1.0)
        seed_step(self.config.seed, TRAINING, progress.step)
        self.optimiser.zero_grad(set_to_none=True)
        values = []
        names: tuple[str, ...] = ()
        for batch in batches:
            _to_device(batch, self.device)
            parts = _losses(self.method, batch, self.config, self.device)
            (sum(parts.values(), start=torch.zeros((), device=self.device)) / len(batches)).backward()
            values.append(_stacked(parts))
            names = ("loss", *parts)
        stop_flag = values[0].new_full((1,), float(asked_to_stop()))
        means = distributed.mean(torch.cat([torch.stack(values).mean(0), stop_flag]))
        distributed.average_gradients(self.weights)
        norm = nn.utils.clip_grad_norm_(self.weights, self.config.clip or math.inf)
        step = StepLosses.send(progress.step + 1, batches, names, means, norm, self.device)
        if not self.late:  # nothing to wait for: the weights need not take a step that will be refused
            self._refuse_infinite(step)
        self.optimiser.step()
        self.method.after_step()
        progress.step += 1
        return step

    def _count_losses(self, unread: deque[StepLosses], late: int) -> bool:
        """Count the losses of all steps but the last `late`; return whether any process was asked to stop.

        On a GPU the weights have taken a step by the time it is refused, and nothing of that is kept: checkpoints are
        written when all steps are settled.
        """
        is_asked = False
        while len(unread) > late:
            step = unread.popleft()
            self._refuse_infinite(step)
            losses, _, stop = step.read()
            for name, value in losses.items():
                self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value * len(step.batches)
            self.on_event(Event("step", self.title, step.step, self.steps, losses))
            is_asked = is_asked or stop
        return is_asked

    def _refuse_infinite(self, step: StepLosses) -> None:
        """Raise `TrainingError` for a loss or a gradient that is not finite."""
        losses, norm, _ = step.read()
        if not math.isfinite(losses["loss"]):
            raise self._not_finite("loss", losses, step)
        if not math.isfinite(norm):
            raise self._not_finite("gradient", losses, step)

    def _not_finite(self, quantity: str, losses: dict[str, float], step: StepLosses) -> TrainingError:
        """Return the error, equal on all processes; it names recordings with broken signals, else the whole batch."""
        batches = step.batches
        broken = [name for batch in batches for name in _broken(batch)]
        broken = [name for names in distributed.everyone(broken) for name in names]
        ids = [name for batch in batches for name in batch.record_ids]
        ids = [name for names in distributed.everyone(ids) for name in names]
        who = "recordings with values that are not finite" if broken else "recordings of the batch"
        suspects = broken or ids
        values = ", ".join(f"{name} {value}" for name, value in losses.items() if name != "loss")
        return TrainingError(
            f"the {quantity} is not finite in epoch {self.progress.epoch + 1}, step {step.step} "
            f"({values}); "
            f"{who}: {', '.join(map(str, suspects[:MOST_IDS]))}{', ...' if len(suspects) > MOST_IDS else ''}; "
            "lower lr or look at these signals"
        )

    def _select(self, losses: dict[str, float]) -> None:
        """Keep the weights of this epoch if they are the best so far by the selected measure."""
        column, sign = (self.best_by, 1) if self.best_by else SELECTED_BY[self.config.select]
        if not self.best_by and column and column not in losses:
            raise UsageError(f"{self.title}: select = {self.config.select!r} needs validation data, there is none")
        score = losses.get(column, math.nan)
        best = self.progress.best
        if math.isfinite(score) and (not best or sign * score > sign * best["score"]):
            self.progress.best = {"epoch": self.progress.epoch, "score": score}
            self.best = {name: value.detach().cpu().clone() for name, value in self.module.state_dict().items()}

    def _stop(self) -> None:
        self.keep()
        note = f"its checkpoint is {self.checkpoint}" if self.checkpoint else "it keeps no checkpoint"
        raise Preempted(f"{self.title}: asked to stop, stopped after step {self.progress.step}; {note}")

    def keep(self) -> None:
        """Write the checkpoint, on the first process alone."""
        self.saved_at = time.monotonic()
        if self.checkpoint is None or distributed.rank():
            return
        state = {
            "model": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "progress": asdict(self.progress),
            "identity": self.identity,
        }
        write_state(self.checkpoint, state)

    def _resume_from(self, checkpoint: Path) -> None:
        """Resume from the state of a checkpoint; one of another training is set aside, and this one starts anew."""
        state = self._read_state(checkpoint)
        if state is None:
            return
        differences = distributed.everyone(training_identity.difference(state.get("identity"), self.identity))
        if other := next(filter(None, differences), ""):
            if not distributed.rank():
                self._note(f"{checkpoint} was set aside as {set_aside(checkpoint)}: {other}; the training starts anew")
            return
        load_state(self.module, state["model"], str(checkpoint))
        self.optimiser.load_state_dict(state["optimiser"])
        self.best, self.progress = state["best"], Progress(**state["progress"])
        self._note(f"resuming after epoch {self.progress.epoch}, step {self.progress.step} from {checkpoint}")

    def _read_state(self, checkpoint: Path) -> dict[str, Any] | None:
        """Return the state in a checkpoint, on every process or on none; the first one sets a damaged file aside."""
        if len(set(distributed.everyone(checkpoint.exists()))) > 1:
            raise UsageError(f"only some processes see {checkpoint}; its folder must be shared by all of them")
        say, first = notes_to(self.on_event), distributed.rank() == 0
        state = read_state(checkpoint, say) if first else None
        distributed.everyone(None)  # the others wait
        state = state if first else read_state(checkpoint, say)
        return state if all(distributed.everyone(state is not None)) else None

    def _note(self, text: str) -> None:
        self.on_event(Event("note", f"{self.title}: {text}"))


def _groups(weights: list[nn.Parameter], config: TrainingConfig) -> list[dict[str, Any]]:
    matrices = [weight for weight in weights if weight.ndim >= 2 or config.decay == "all"]
    vectors = [weight for weight in weights if weight.ndim < 2 and config.decay == "matrices"]
    groups: list[dict[str, Any]] = [{"params": matrices}]
    return groups + ([{"params": vectors, "weight_decay": 0.0}] if vectors else [])


def _optimiser(groups: list[dict[str, Any]], config: TrainingConfig) -> torch.optim.Optimizer:
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=0.9, weight_decay=config.weight_decay)
    # fused: one pass over all weights, three to four times faster than a pass for each operation
    betas, decay = (config.beta1, config.beta2), config.weight_decay
    return torch.optim.AdamW(groups, lr=config.lr, betas=betas, eps=config.eps, weight_decay=decay, fused=True)


def _losses(method: TrainableMethod, batch: Batch, config: TrainingConfig, device: str) -> dict[str, Tensor]:
    kind = torch.device(device).type
    bf16 = training_precision(config.precision, device) == "bf16"
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=bf16):
        return method.loss(batch)


def _stacked(parts: dict[str, Tensor]) -> Tensor:
    """Return sum and parts in one tensor, so that reading them waits for the device only once."""
    values = torch.stack([value.detach().float() for value in parts.values()])
    return torch.cat([values.sum().reshape(1), values])


def _to_device(batch: Batch, device: str) -> Batch:
    batch.ecg = batch.ecg.to(device, non_blocking=True)
    if batch.labels is not None:
        batch.labels = batch.labels.to(device, non_blocking=True)
    return batch


def _broken(batch: Batch) -> Iterator[str]:
    """Yield the recordings of a batch whose signals have NaN or infinite values."""
    finite = torch.isfinite(batch.ecg).flatten(1).all(1).tolist()
    return (str(name) for name, good in zip(batch.record_ids, finite, strict=True) if not good)
