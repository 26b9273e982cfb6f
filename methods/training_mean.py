"""Training mean: baseline of regression that predicts the mean of the training numbers for every recording."""

from __future__ import annotations

from typing import ClassVar

from benchmark.api import ConstantMethod, MethodCard
from benchmark.registry import METHODS


@METHODS.register("training_mean")
class TrainingMean(ConstantMethod):
    """Gives one constant in place of features, so that a ridge regression on it is the mean of the training subset."""

    card: ClassVar[MethodCard] = MethodCard(
        title="Mean of the training numbers",
        paper="baseline",
        licence="MIT",
        is_baseline=True,
        note="Its error is the spread of the number in test: R2 is 0 or just below, and there is no rank correlation.",
    )
