"""Bases of tasks that learn from a labelled subset: its fraction and seed, their checks, and the scoring."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import expit

from benchmark.api import Layer, Method, Predictions, Scores, SupervisedMethod, Task, TaskContext, Truth
from benchmark.data.labels.merl_subset import merl_digest
from benchmark.data.labels.subsets import SUBSET_RULES
from benchmark.errors import UsageError, did_you_mean, raise_all
from benchmark.layers import POOLED_LAYERS, layer_missing
from benchmark.metrics.classification import f1_thresholds
from benchmark.metrics.scoring import PRIMARY, score_classes

Split = tuple[np.ndarray, np.ndarray]  # features (n, d), labels (n, C)


@dataclass(frozen=True)
class ProbeTask(Task):
    """`fraction` of the training labels, drawn with `seed` by the rule `subset`.

    The rule "patients" is the protocol's; "merl" is MERL's one draw from its own files under ``$ECGARENA_DATA/merl``.
    """

    fraction: float = 1.0
    seed: int = 0
    subset: str = "patients"

    primary: ClassVar[str] = PRIMARY

    def __post_init__(self) -> None:
        where = type(self).__module__.rpartition(".")[2]
        raise_all(self.problems(), f"the question {where} cannot be asked so:", UsageError)

    def problems(self) -> list[str]:
        """What is wrong with the fields, one sentence each."""
        wrong = [] if 0 < self.fraction <= 1 else [f"fraction is {self.fraction}, it must lie above 0 and up to 1"]
        if self.subset not in SUBSET_RULES:
            known = ", ".join(SUBSET_RULES)
            wrong.append(
                f"subset is {self.subset!r}{did_you_mean(self.subset, SUBSET_RULES)}, it must be one of {known}"
            )
        return wrong

    def at_least(self, least: float, *names: str) -> list[str]:
        """A sentence for each of these fields that is below `least`."""
        return [
            f"{name} is {getattr(self, name)}, it must be at least {least:g}"
            for name in names
            if getattr(self, name) < least
        ]

    def canonical_form(self) -> Self:
        """All subset seeds agree at 100 %, and MERL has one."""
        return replace(self, seed=0) if self.fraction == 1 or self.subset == "merl" else self

    def inputs(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> dict[str, str]:
        return {"subset": merl_digest(dataset, label_set)} if self.subset == "merl" else {}

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Logits against the truth, with their sigmoids as probabilities."""
        logits = predictions.arrays["logits"].astype(np.float64)
        return score_classes(truth, logits, predictions.thresholds, expit(logits), predictions.details.get("subset"))


class FrozenFeatureTask(ProbeTask):
    """A probe on the frozen features of `layer`, which a subclass declares: as a field, or as the one that it needs.

    (Here it is no field: one of a base comes before all others, and records and tables keep the order of fields.)
    """

    layers: ClassVar[tuple[str, ...]] = POOLED_LAYERS  # those that there are to choose from

    @property
    @abstractmethod
    def layer(self) -> Layer:
        """The layer that the features come from."""

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, SupervisedMethod):
            return "it is trained end to end, not probed"
        return layer_missing(self.layer, method)

    def problems(self) -> list[str]:
        wrong = super().problems()
        if self.layer not in self.layers:
            known = ", ".join(self.layers)
            wrong.append(f"layer is {self.layer!r}{did_you_mean(self.layer, self.layers)}, it must be one of {known}")
        return wrong

    def splits(self, context: TaskContext) -> tuple[dict[str, Any], Split, Split, np.ndarray]:
        """The subset's summary, features and labels of it and of validation, and the features of test."""
        rows, summary = context.subset(self.fraction, self.seed, self.subset)
        train = context.features("train", self.layer)[rows], context.labels("train")[rows]
        val = context.features("val", self.layer), context.labels("val")
        return summary, train, val, context.features("test", self.layer)


def predictions_with(val: np.ndarray, test: np.ndarray, labels: np.ndarray, details: dict[str, Any]) -> Predictions:
    """Logits of validation (for the thresholds) and test, and the labels of validation, as `Predictions`."""
    return Predictions({"logits": test.astype(np.float32)}, f1_thresholds(labels, val), details)
