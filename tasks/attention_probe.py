"""Attention probe on a method's tokens: one learnt query per class, trained on the labelled subset.

The backbone is frozen and its tokens are computed once. Learning rate and weight decay are searched on validation with
pruning; the best epoch of the best trial by validation is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from optuna.distributions import BaseDistribution, FloatDistribution

from benchmark.api import Layer, Predictions, TaskContext
from benchmark.metrics.classification import auroc, macro
from benchmark.probes.attention import AttentionProbe, Recipe, predict_logits, token_statistics, train_epochs
from benchmark.probes.base_task import FrozenFeatureTask, make_predictions
from benchmark.probes.journal import array_digest
from benchmark.probes.pruned import search_trainings
from benchmark.registry import TASKS

FIRST = {"lr": 1e-3, "weight_decay": 1e-2}  # the first trial
SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "weight_decay": FloatDistribution(1e-5, 1.0, log=True),
}


@TASKS.register("attention_probe")
@dataclass(frozen=True)
class AttentionProbing(FrozenFeatureTask):
    """Train on `fraction` of the training labels, drawn with `seed`, which also shuffles; `epochs` of AdamW per trial.

    The search ends after `trials`, or after `seconds` of training (0: no limit; with one, results depend on the
    machine).
    """

    trials: int = 12
    epochs: int = 20
    batch_size: int = 64
    seconds: float = 0.0

    version: ClassVar[int] = 1
    layer: ClassVar[Layer] = "sequence"
    layers: ClassVar[tuple[str, ...]] = ("sequence",)

    def problems(self) -> list[str]:
        counts = self.at_least(1, "trials", "epochs", "batch_size")
        return [*super().problems(), *counts, *self.at_least(0, "seconds")]

    def predict(self, context: TaskContext) -> Predictions:
        rows, summary = context.subset(self.fraction, self.seed, self.subset)
        train, labels = context.tokens("train", positions=rows), context.labels("train")[rows]
        val, truth = context.tokens("val"), context.labels("val")
        mean, std = token_statistics(train)
        probe: AttentionProbe

        def fit(settings: Mapping[str, Any]) -> Iterator[float]:
            nonlocal probe
            probe = AttentionProbe(mean, std, len(context.classes)).to(context.device)
            recipe = Recipe(settings["lr"], settings["weight_decay"], self.epochs, self.batch_size, self.seed)
            for _ in train_epochs(probe, train, labels, recipe):
                yield macro(auroc(truth, predict_logits(probe, val)))

        identity = {"data": array_digest(mean, std, labels, truth), "epochs": self.epochs, "batch": self.batch_size}
        best, trials, search = search_trainings(
            fit, SPACE, FIRST, self.trials, self.seed, identity, self.seconds, context.scratch("search.jsonl")
        )
        for epoch, _ in enumerate(
            fit(best), start=1
        ):  # trained again up to its best epoch, which is cheaper than keeping all
            if epoch == best["epoch"]:
                break
        choice = {key: value for key, value in best.items() if key != "curve"}
        details = {"subset": summary, "choice": choice, "trials": trials, "search": search}
        return make_predictions(
            predict_logits(probe, val), predict_logits(probe, context.tokens("test")), truth, details
        )
