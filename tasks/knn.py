"""k nearest neighbours on frozen features: nothing is trained, so only the geometry of the features counts.

Cosine similarity on features standardised on the subset; k and the weighting of neighbours are chosen on validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.api import Layer, Predictions, Scores, TaskContext, Truth
from benchmark.metrics.scoring import score_classes
from benchmark.probes.base_task import FrozenFeatureTask, make_predictions
from benchmark.probes.knn import knn_scores
from benchmark.probes.logistic import Standardiser
from benchmark.probes.search import choose_best
from benchmark.registry import TASKS

NEIGHBOURS = (200, 100, 50, 20, 10, 5, 2, 1)  # of equally good ones the first is chosen: the smoothest
WEIGHTINGS = (False, True)


@TASKS.register("knn")
@dataclass(frozen=True)
class KNN(FrozenFeatureTask):
    """Use `fraction` of the training labels, drawn with `seed`, and features of `layer`; eight k in two weightings."""

    layer: Layer = "features"

    version: ClassVar[int] = 1

    def predict(self, context: TaskContext) -> Predictions:
        subset, train, val, test = self.splits(context)
        standardiser = Standardiser.fit(train[0])
        train_features = standardiser(train[0])
        val_scores = knn_scores(train_features, train[1], standardiser(val[0]), NEIGHBOURS, WEIGHTINGS)
        val_scores = val_scores.reshape(-1, *val[1].shape)  # (setting, n, C)
        settings = [{"weighted": by, "k": k} for by in WEIGHTINGS for k in NEIGHBOURS]
        best, trials = choose_best(val_scores, val[1], settings)
        scores = knn_scores(train_features, train[1], standardiser(test), [best["k"]], [best["weighted"]])[0, 0]
        details = {"subset": subset, "choice": best, "trials": trials}
        return make_predictions(val_scores[best["number"]], scores, val[1], details)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Score shares of neighbours, which are probabilities already."""
        scores = predictions.arrays["logits"].astype(np.float64)
        subset = predictions.details.get("subset")
        return score_classes(truth, scores, predictions.thresholds, scores.clip(0, 1), subset)
