"""Regression probe: a number of each recording (age, an interval) from frozen features, by ridge in closed form.

Subsets are those of the linear probe: nested, of whole patients, drawn by seed. Where it is stratified over classes,
this one is stratified over ten ranges between the quantiles of the number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.api import Layer, Predictions, Scores, TaskContext, Truth
from benchmark.metrics.number_scoring import PRIMARY, score_numbers
from benchmark.probes.base_task import FrozenFeatureTask
from benchmark.probes.regression import regress
from benchmark.registry import TASKS


@TASKS.register("regression_probe")
@dataclass(frozen=True)
class RegressionProbe(FrozenFeatureTask):
    """Use `fraction` of the training numbers, drawn with `seed`, and features of `layer`; 37 penalties are tried."""

    layer: Layer = "features"

    version: ClassVar[int] = 1
    primary: ClassVar[str] = PRIMARY
    higher_is_better: ClassVar[bool] = False
    predicts_numbers: ClassVar[bool] = True
    grid_metrics: ClassVar[tuple[str, ...]] = ("mae", "r2", "spearman")
    baselines: ClassVar[tuple[str, ...]] = ("training_mean", "handcrafted")

    def problems(self) -> list[str]:
        merl = ["subset is 'merl': MERL's files have classes and no numbers"] if self.subset == "merl" else []
        return [*super().problems(), *merl]

    def predict(self, context: TaskContext) -> Predictions:
        rows, subset = context.subset(self.fraction, self.seed, self.subset)
        train = context.features("train", self.layer)[rows], context.target_values("train")[rows]
        val = context.features("val", self.layer), context.target_values("val")
        fit = regress(train, val, context.features("test", self.layer))
        details = {"subset": subset, "choice": fit.choice, "trials": fit.trials}
        return Predictions({"numbers": fit.predictions}, details=details)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Score the predictions in the unit of the target."""
        numbers = predictions.arrays["numbers"].astype(np.float64)
        return score_numbers(truth, numbers, predictions.details.get("subset"))
