"""A plug-in for tests: a method without weights, one that learns slowly, and a task that misbehaves on demand.

A chore misbehaves until the file ``$CHORES/cured`` is there.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

import benchmark
from benchmark.api import Method, Predictions, Scores, Task, TrainableMethod
from benchmark.testing import FakeMethod


class Plain(FakeMethod):
    """Nothing to learn."""


class Slow(torch.nn.Module, TrainableMethod):
    """A linear layer that pulls the spread of the leads towards 0; `nap` seconds per step."""

    card = FakeMethod.card
    needs_reports = False

    def __init__(self, nap: float = 0.1) -> None:
        super().__init__()
        self.nap = nap
        self.layer = torch.nn.Linear(12, 4)

    signal = FakeMethod.signal
    rate = 100.0

    def ecg_features(self, ecg):
        return self.layer(ecg.std(-1))

    def loss(self, batch):
        time.sleep(self.nap)
        noise = torch.rand(len(batch.ecg), 4)  # random numbers too must go on where they were
        return {"pull": (self.ecg_features(batch.ecg) - noise).square().mean()}


@dataclass(frozen=True)
class Chore(Task):
    """A number from the features, the seed and nothing else."""

    seed: int = 0
    does: str = "nothing"
    megabytes: int = 0

    primary: ClassVar[str] = "number"

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        return None

    def predict(self, context):
        if not (Path(os.environ["CHORES"]) / "cured").exists():
            if self.does == "raise":
                raise RuntimeError("a chore that raises")
            if self.does == "hang":
                time.sleep(1e6)
        if self.does == "sleep":
            time.sleep(self.seed)
        ballast = np.ones(self.megabytes << 17)  # 8 bytes each
        if self.megabytes:
            time.sleep(1.5)
        code = str(Path(benchmark.__file__).parent.parent)
        return Predictions({"features": context.features("test")[:1], "ballast": ballast[:1]}, details={"code": code})

    def score(self, predictions, truth):
        total = float(np.abs(predictions.arrays["features"]).sum())
        return Scores({"number": total + self.seed})
