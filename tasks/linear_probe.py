"""Linear probing under the protocol `frozen-eval`: L2 logistic regression on frozen features.

The backbone is in eval mode, its features are computed once; they are standardised on the labelled
subset, solved to convergence, and the penalty is chosen on the validation split alone. A method of the
kind `SupervisedMethod` is trained end to end on the same subset instead and keeps its best validation epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from benchmark.api import Answer, Method, Scores, SupervisedMethod, Task, Truth
from benchmark.data.merl_subset import merl_digest
from benchmark.data.subsets import Subset
from benchmark.engine.context import SUBSET_RULES, TaskContext
from benchmark.errors import UsageError, did_you_mean
from benchmark.metrics.classification import auroc, f1_thresholds, macro
from benchmark.metrics.scoring import PRIMARY, score_classes
from benchmark.probes.search import tune
from benchmark.registry import TASKS


@TASKS.register("linear_probe")
@dataclass(frozen=True)
class LinearProbe(Task):
    """`fraction` of the training labels, drawn with `seed`; `trials` of the penalty search.

    `subset` is "patients" (the protocol's) or "merl": MERL's one draw from its own files under ``$ECGBENCH_DATA/merl``.
    """

    fraction: float = 1.0
    seed: int = 0
    trials: int = 16
    subset: str = "patients"

    version: ClassVar[int] = 1
    primary: ClassVar[str] = PRIMARY

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise UsageError(f"linear_probe: fraction is {self.fraction}, it must lie above 0 and up to 1")
        if self.subset not in SUBSET_RULES:
            raise UsageError(f"linear_probe: subset is {self.subset!r}{did_you_mean(self.subset, SUBSET_RULES)}")
        if self.trials < 1:
            raise UsageError(f"linear_probe: trials is {self.trials}, it must be at least 1")

    @classmethod
    def cannot(cls, method: type[Method]) -> str | None:
        return None  # every method has features

    def simplest(self) -> LinearProbe:
        """All subset seeds agree at 100 %, and MERL has one."""
        return replace(self, seed=0) if self.fraction == 1 or self.subset == "merl" else self

    def inputs(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> dict[str, str]:
        return {"subset": merl_digest(dataset, label_set)} if self.subset == "merl" else {}

    def answer(self, context: TaskContext) -> Answer:
        subset = context.subset(self.fraction, self.seed, self.subset)
        if issubclass(context.method_class, SupervisedMethod):
            return self._end_to_end(context, subset)
        train = context.features("train")[subset.rows], context.labels("train")[subset.rows]
        val = context.features("val"), context.labels("val")
        tuned = tune(train, val, trials=self.trials, seed=self.seed)
        details = {"subset": subset.summary(), "choice": tuned.choice, "trials": tuned.trials, "search": tuned.search}
        return _answer(tuned.scores(val[0]), tuned.scores(context.features("test")), val[1], details)

    def _end_to_end(self, context: TaskContext, subset: Subset) -> Answer:
        labels = context.labels("val")
        scores, history = context.train_end_to_end(subset, self.seed, lambda val: macro(auroc(labels, val)))
        best = max((epoch for epoch in history if "val_score" in epoch), key=lambda epoch: epoch["val_score"])
        details = {"subset": subset.summary(), "trained": "end to end", "choice": best, "history": history}
        return _answer(scores["val"], scores["test"], labels, details)

    def score(self, answer: Answer, truth: Truth) -> Scores:
        logits = answer.predictions["logits"].astype(np.float64)
        return score_classes(truth, logits, answer.thresholds, expit(logits))


def _answer(val: np.ndarray, test: np.ndarray, labels: np.ndarray, details: dict[str, Any]) -> Answer:
    return Answer({"logits": test.astype(np.float32)}, f1_thresholds(labels, val), details)
