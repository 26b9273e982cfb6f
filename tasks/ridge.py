"""Ridge regression of the labels on frozen features, in closed form: the cheapest linear probe.

All penalties are solved from one eigendecomposition of the standardised subset; the best by validation is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.api import Layer, Predictions, Scores, TaskContext, Truth
from benchmark.metrics.scoring import score_classes
from benchmark.probes.base_task import FrozenFeatureTask, make_predictions
from benchmark.probes.logistic import ProbeBasis, Standardiser
from benchmark.probes.ridge import ridge_scores
from benchmark.probes.search import choose_best
from benchmark.registry import TASKS

# times n, the mean eigenvalue of X'X; of equally good ones the first is chosen: the strongest
PENALTIES = tuple(float(value) for value in np.geomspace(1e4, 1e-4, 25))


@TASKS.register("ridge")
@dataclass(frozen=True)
class Ridge(FrozenFeatureTask):
    """Use `fraction` of the training labels, drawn with `seed`, and features of `layer`; 25 penalties are tried."""

    layer: Layer = "features"

    version: ClassVar[int] = 1

    def predict(self, context: TaskContext) -> Predictions:
        subset, train, val, test = self.splits(context)
        standardiser = Standardiser.fit(train[0])
        basis = ProbeBasis(standardiser(train[0]))
        penalties = [share * len(train[0]) for share in PENALTIES]
        val_scores = ridge_scores(basis, train[1], penalties, standardiser(val[0]))
        best, trials = choose_best(val_scores, val[1], [{"penalty": penalty} for penalty in penalties])
        scores = ridge_scores(basis, train[1], [best["penalty"]], standardiser(test))[0]
        details = {"subset": subset, "choice": best, "trials": trials}
        return make_predictions(val_scores[best["number"]], scores, val[1], details)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Score regressed labels, which are no probabilities: there is no Brier score."""
        logits, subset = predictions.arrays["logits"].astype(np.float64), predictions.details.get("subset")
        return score_classes(truth, logits, predictions.thresholds, subset=subset)
