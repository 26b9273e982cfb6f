"""k nearest neighbours on frozen features: no training at all, so a method's geometry alone is judged.

Cosine similarity on features standardised on the subset; k and the weighting of neighbours by validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.api import Layer, Predictions, Scores, TaskContext, Truth
from benchmark.metrics.scoring import score_classes
from benchmark.probes.base_task import FrozenFeatureTask, predictions_with
from benchmark.probes.knn import knn_scores
from benchmark.probes.logistic import Standardiser
from benchmark.probes.search import best_of_grid
from benchmark.registry import TASKS

NEIGHBOURS = (200, 100, 50, 20, 10, 5, 2, 1)  # of equally good ones the first is taken: the smoothest
WEIGHTED = (False, True)


@TASKS.register("knn")
@dataclass(frozen=True)
class KNN(FrozenFeatureTask):
    """`fraction` of the training labels, drawn with `seed`; features of `layer`; eight k in two weightings."""

    layer: Layer = "features"

    version: ClassVar[int] = 1

    def predict(self, context: TaskContext) -> Predictions:
        subset, train, val, test = self.splits(context)
        standardiser = Standardiser.fit(train[0])
        known = standardiser(train[0])
        found = knn_scores(known, train[1], standardiser(val[0]), NEIGHBOURS, WEIGHTED).reshape(-1, *val[1].shape)
        settings = [{"weighted": by, "k": k} for by in WEIGHTED for k in NEIGHBOURS]
        best, trials = best_of_grid(found, val[1], settings)
        scores = knn_scores(known, train[1], standardiser(test), [best["k"]], [best["weighted"]])[0, 0]
        return predictions_with(
            found[best["number"]], scores, val[1], {"subset": subset, "choice": best, "trials": trials}
        )

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Shares of neighbours are probabilities as they are."""
        scores = predictions.arrays["logits"].astype(np.float64)
        subset = predictions.details.get("subset")
        return score_classes(truth, scores, predictions.thresholds, scores.clip(0, 1), subset)
