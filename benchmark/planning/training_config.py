"""Options of a training, with the batches, steps and learning rates that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.configuration import complete
from benchmark.errors import did_you_mean, raise_all
from benchmark.planning.window_order import windowed_order

PRECISIONS = ("fp32", "bf16", "auto")
SCHEDULES = ("cosine", "warm_restarts", "tri_stage")
DECAYS = ("all", "matrices")
OPTIMISERS = ("adamw", "sgd")
OWNERS = {  # options that one optimiser or schedule alone has
    **dict.fromkeys(("beta1", "beta2", "eps"), "adamw"),
    **dict.fromkeys(("hold", "first_rate", "last_rate"), "tri_stage"),
}
SELECTIONS = {  # how the kept epoch was chosen, in the words of cards and tables
    "last": "the last epoch's",
    "val_loss": "selected by the loss on the validation split of the pre-training data",
    "zero_shot_val": "selected on validation labels (zero-shot AUROC after each epoch)",
}


@dataclass(frozen=True)
class TrainingConfig:
    """Options of a training; all of them affect the weights, so all of them are part of a cell's key.

    `batch_size` counts the global batch, whatever the number of processes. `schedule` "warm_restarts" is the
    papers' (MERL, DERI: no warm-up, a half cosine that starts again every 5,000 steps). "tri_stage" is fairseq's
    (C-MELT): `warmup` from `first_rate` of the rate, `hold` at the full rate, an exponential fall to `last_rate` of it.
    `select` names the epoch whose weights are kept: the last, the best loss on the validation split, or the best
    zero-shot AUROC there or on the label sets of ``select_on``, which marks the weights as chosen by labels.
    `optimiser` "sgd" has a momentum of 0.9 and `weight_decay` as part of the gradient: SimSiam was published with it
    and needs it (docs/pretraining.md).
    `window` is for stores larger than memory: chunks of `chunk` neighbouring recordings are read whole and shuffled
    within windows of `window` recordings (see `window_order`). 0 shuffles all recordings at once.
    `compile` runs the method's repeated blocks through torch.compile; `resident` keeps all recordings on the device.
    """

    epochs: int = 10
    batch_size: int = 64
    accumulate: int = 1  # batches per optimiser step
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.05  # share of the steps
    clip: float = 1.0  # gradient norm; 0: none
    min_steps: int = 0  # small sets get more epochs until they reach this many steps
    steps: int = 0  # exactly this many, whatever epochs says, so that the last epoch may be a part; 0: whole epochs
    precision: str = "fp32"  # "bf16" (autocast), or "auto": bf16 where the device multiplies it
    seed: int = 0
    schedule: str = "cosine"
    restart_every: int = 5000  # steps, for warm_restarts
    decay: str = "all"  # "matrices": no weight decay on vectors and scalars (norms, biases, temperatures)
    beta2: float = 0.999  # of AdamW
    beta1: float = 0.9
    eps: float = 1e-8
    lowest_lr: float = 0.0  # at the end of a half cosine
    hold: float = 0.4  # share of the steps
    first_rate: float = 0.01  # share of lr at the first step of tri_stage
    last_rate: float = 0.05  # share of lr behind the last step of tri_stage
    select: str = "last"
    optimiser: str = "adamw"
    share: float = 1.0  # of the training recordings, whole patients; a smaller share lies within a larger one
    window: int = 0  # recordings
    chunk: int = 64  # recordings
    compile: bool = False
    resident: bool = False

    def __post_init__(self) -> None:
        checks = {
            f"epochs is {self.epochs}, it must be at least 1": self.epochs >= 1,
            f"batch_size is {self.batch_size}, it must be at least 1": self.batch_size >= 1,
            f"accumulate is {self.accumulate}, it must be at least 1": self.accumulate >= 1,
            f"steps is {self.steps}, it must be 0 (whole epochs) or more": self.steps >= 0,
            f"steps is {self.steps} and min_steps {self.min_steps}; keep one": not (self.steps and self.min_steps),
            f"lr is {self.lr}, it must be positive": self.lr > 0,
            f"share is {self.share}, it must lie in (0, 1]": 0 < self.share <= 1,
            f"warmup is {self.warmup}, it must lie in [0, 1)": 0 <= self.warmup < 1,
            f"restart_every is {self.restart_every}, it must be at least 1": self.restart_every >= 1,
            f"beta1 is {self.beta1}, it must lie in [0, 1)": 0 <= self.beta1 < 1,
            f"beta2 is {self.beta2}, it must lie in (0, 1)": 0 < self.beta2 < 1,
            f"eps is {self.eps}, it must be positive": self.eps > 0,
            f"lowest_lr is {self.lowest_lr}, it must lie in [0, lr]": 0 <= self.lowest_lr <= self.lr,
            f"hold is {self.hold}, it must lie in [0, 1 - warmup]": self.schedule != "tri_stage"
            or 0 <= self.hold <= 1 - self.warmup,
            f"first_rate is {self.first_rate}, it must lie in (0, 1]": 0 < self.first_rate <= 1,
            f"last_rate is {self.last_rate}, it must lie in (0, 1]": 0 < self.last_rate <= 1,
            f"chunk is {self.chunk}, it must be at least 1": self.chunk >= 1,
            f"chunk is {self.chunk}, but only a window has chunks": self.window or self.chunk == type(self).chunk,
            f"window is {self.window}, it must be 0 (none) or hold a batch and a chunk ({self._smallest_window})": (
                not self.window or self.window >= self._smallest_window
            ),
            f"window is {self.window}, but resident data is read once": not (self.window and self.resident),
            f"precision is {self.precision!r}, it must be fp32, bf16 or auto": self.precision in PRECISIONS,
        }
        for name, owner in OWNERS.items():
            idle = getattr(self, name) == getattr(type(self), name)
            message = f"{name} is {getattr(self, name)}, but only {owner} has one"
            checks[message] = idle or owner in (self.optimiser, self.schedule)
        if self.schedule == "tri_stage":
            checks[f"lowest_lr is {self.lowest_lr}, but tri_stage ends at last_rate"] = not self.lowest_lr
        choices = {"schedule": SCHEDULES, "decay": DECAYS, "select": SELECTIONS, "optimiser": OPTIMISERS}
        for name, options in choices.items():
            value = getattr(self, name)
            checks[f"{name} is {value!r}{did_you_mean(str(value), options)}"] = value in options
        raise_all([problem for problem, holds in checks.items() if not holds], "a training cannot run so:")

    @property
    def _smallest_window(self) -> int:
        return max(self.batch_size, self.chunk)

    @classmethod
    def from_options(cls, options: dict[str, Any], where: str) -> TrainingConfig:
        return cls(**complete(cls, options, where))


def steps_per_epoch(examples: int, config: TrainingConfig) -> int:
    batches = max(examples // config.batch_size, 1)  # a last, smaller batch would upset BatchNorm and negatives
    return math.ceil(batches / config.accumulate)


def number_of_epochs(examples: int, config: TrainingConfig) -> int:
    per_epoch = steps_per_epoch(examples, config)
    return (
        math.ceil(config.steps / per_epoch)
        if config.steps
        else max(config.epochs, math.ceil(config.min_steps / per_epoch))
    )


def number_of_steps(examples: int, config: TrainingConfig) -> int:
    return config.steps or number_of_epochs(examples, config) * steps_per_epoch(examples, config)


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """Return the rate at a step: linear warm-up, then a half cosine down to `lowest_lr`, or several in a row.

    The schedule "tri_stage" is a rise, a constant and an exponential fall.
    """
    warm = round(config.warmup * steps)
    if config.schedule == "tri_stage":
        return config.lr * _tri_stage(step, steps, warm, config)
    if step < warm:
        return config.lr * (step + 1) / warm
    if config.schedule == "warm_restarts":
        part = (step - warm) % config.restart_every / config.restart_every
    else:
        part = (step - warm) / max(steps - warm, 1)
    return config.lowest_lr + (config.lr - config.lowest_lr) * 0.5 * (1 + math.cos(math.pi * part))


def _tri_stage(step: int, steps: int, warm: int, config: TrainingConfig) -> float:
    """Return the share of the full rate at a step (tri_stage_lr_scheduler of fairseq)."""
    if step < warm:
        return config.first_rate + (1 - config.first_rate) * step / warm
    hold = round(config.hold * steps)
    falling = max(step - warm - hold, 0) / max(steps - warm - hold, 1)
    return math.exp(math.log(config.last_rate) * falling)


def shuffled_batches(examples: int, config: TrainingConfig, epoch: int) -> list[np.ndarray]:
    """Return the global batches of an epoch, by seed and epoch alone, so that a resumed run sees the same ones."""
    if config.window:
        order = windowed_order(examples, config.window, config.chunk, config.seed, epoch)
    else:
        order = np.random.default_rng([config.seed, epoch]).permutation(examples)
    full = max(examples // config.batch_size, 1)
    return [order[i * config.batch_size : (i + 1) * config.batch_size] for i in range(full)]


def step_groups(examples: int, config: TrainingConfig, epoch: int) -> list[list[np.ndarray]]:
    """Return the batches of each optimiser step of one epoch."""
    batches = shuffled_batches(examples, config, epoch)
    return [batches[start : start + config.accumulate] for start in range(0, len(batches), config.accumulate)]
