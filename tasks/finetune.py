"""Full fine-tuning: the whole backbone is trained on the labelled subset, deep layers faster than early ones.

The best of at most five epochs by validation is used. A killed training resumes from its last epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from benchmark.api import Method, Predictions, SupervisedMethod, TaskContext
from benchmark.metrics.classification import auroc, macro
from benchmark.probes.base_task import ProbeTask, make_predictions
from benchmark.probes.finetuning import FineTuned
from benchmark.registry import TASKS


@TASKS.register("finetune")
@dataclass(frozen=True)
class FineTune(ProbeTask):
    """Train all weights by AdamW, with warm-up and cosine, on `fraction` of the training labels.

    `seed` draws the subset and shuffles. `lr` is the rate of the output layer and `lowest` the first layer's share of
    it; between them it falls in equal ratios. Small subsets get more than `epochs` until they reach `min_steps`.
    """

    lr: float = 1e-3
    lowest: float = 0.1
    epochs: int = 10
    batch_size: int = 32
    weight_decay: float = 0.05
    min_steps: int = 200

    version: ClassVar[int] = 1

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, SupervisedMethod):
            return "it is trained end to end by linear_probe already"
        if not issubclass(method, torch.nn.Module):
            return f"{method.__name__} is no torch module, there is nothing to train"
        return None

    def problems(self) -> list[str]:
        problems = [*super().problems(), *self.at_least(1, "epochs", "batch_size"), *self.at_least(0, "min_steps")]
        problems += [] if self.lr > 0 else [f"lr is {self.lr}, it must be positive"]
        problems += [] if 0 < self.lowest <= 1 else [f"lowest is {self.lowest}, it must lie above 0 and up to 1"]
        return problems

    def predict(self, context: TaskContext) -> Predictions:
        (rows, summary), truth = context.subset(self.fraction, self.seed, self.subset), context.labels("val")
        backbone = context.fresh_method(self.seed)
        sample = context.signals("train", backbone.signal).batch(np.arange(2)).ecg.to(context.device)
        method = FineTuned(backbone, len(context.classes), sample)
        names = ("epochs", "batch_size", "lr", "weight_decay", "min_steps", "seed")
        options = {name: getattr(self, name) for name in names}
        scores, history = context.train_and_choose(
            method,
            rows,
            options,
            lambda val: macro(auroc(truth, val)),
            method.rate_groups(self.lowest),
            resumable=True,
        )
        best = max((epoch for epoch in history if "val_score" in epoch), key=lambda epoch: epoch["val_score"])
        details = {"subset": summary, "choice": best, "history": history}
        return make_predictions(scores["val"], scores["test"], truth, details)
