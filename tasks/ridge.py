"""Ridge regression of the labels on frozen features, in closed form: the cheapest linear probe.

All penalties come from one eigendecomposition of the standardised subset; the best by validation is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.api import Layer, Predictions, Scores, TaskContext, Truth
from benchmark.metrics.scoring import score_classes
from benchmark.probes.base_task import FrozenFeatureTask, predictions_with
from benchmark.probes.logistic import ProbeBasis, Standardiser
from benchmark.probes.ridge import ridge_scores
from benchmark.probes.search import best_of_grid
from benchmark.registry import TASKS

# times n, the mean eigenvalue of X'X; of equally good ones the first is taken: the strongest
PENALTIES = tuple(float(value) for value in np.geomspace(1e4, 1e-4, 25))


@TASKS.register("ridge")
@dataclass(frozen=True)
class Ridge(FrozenFeatureTask):
    """`fraction` of the training labels, drawn with `seed`; features of `layer`; 25 penalties tried on validation."""

    layer: Layer = "features"

    version: ClassVar[int] = 1

    def predict(self, context: TaskContext) -> Predictions:
        subset, train, val, test = self.splits(context)
        standardiser = Standardiser.fit(train[0])
        basis = ProbeBasis(standardiser(train[0]))
        penalties = [share * len(train[0]) for share in PENALTIES]
        found = ridge_scores(basis, train[1], penalties, standardiser(val[0]))
        best, trials = best_of_grid(found, val[1], [{"penalty": penalty} for penalty in penalties])
        scores = ridge_scores(basis, train[1], [best["penalty"]], standardiser(test))[0]
        details = {"subset": subset, "choice": best, "trials": trials}
        return predictions_with(found[best["number"]], scores, val[1], details)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Regressed labels are no probabilities: no Brier score."""
        logits, subset = predictions.arrays["logits"].astype(np.float64), predictions.details.get("subset")
        return score_classes(truth, logits, predictions.thresholds, subset=subset)
