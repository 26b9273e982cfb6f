"""Base classes of tasks that learn from a labelled subset: its fields, their checks, and the scoring."""

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
    """A task that learns from `fraction` of the training labels, drawn with `seed` by the rule `subset`.

    The rule "patients" is the protocol's; "merl" is MERL's one draw, from its own files under ``$ECGARENA_DATA/merl``.
    """

    fraction: float = 1.0
    seed: int = 0
    subset: str = "patients"

    primary: ClassVar[str] = PRIMARY

    def __post_init__(self) -> None:
        name = type(self).__module__.rpartition(".")[2]
        raise_all(self.problems(), f"the task {name} cannot run with these options:", UsageError)

    def problems(self) -> list[str]:
        """Return a sentence for each field with an invalid value."""
        problems = [] if 0 < self.fraction <= 1 else [f"fraction is {self.fraction}, it must lie above 0 and up to 1"]
        if self.subset not in SUBSET_RULES:
            hint, choices = did_you_mean(self.subset, SUBSET_RULES), ", ".join(SUBSET_RULES)
            problems.append(f"subset is {self.subset!r}{hint}, it must be one of {choices}")
        return problems

    def at_least(self, least: float, *names: str) -> list[str]:
        """Return a sentence for each of the named fields that is below `least`."""
        return [
            f"{name} is {getattr(self, name)}, it must be at least {least:g}"
            for name in names
            if getattr(self, name) < least
        ]

    def canonical_form(self) -> Self:
        """Return the task with seed 0 where all seeds draw the same subset: at 100 %, and for MERL's one draw."""
        return replace(self, seed=0) if self.fraction == 1 or self.subset == "merl" else self

    def inputs(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> dict[str, str]:
        return {"subset": merl_digest(dataset, label_set)} if self.subset == "merl" else {}

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Score the logits against the truth, with their sigmoids as probabilities."""
        logits = predictions.arrays["logits"].astype(np.float64)
        return score_classes(truth, logits, predictions.thresholds, expit(logits), predictions.details.get("subset"))


class FrozenFeatureTask(ProbeTask):
    """A probe on the frozen features of `layer`, which a subclass declares as a field or as a class variable.

    It is no field here: fields of a base class come before all others, and records and tables keep the order of fields.
    """

    layers: ClassVar[tuple[str, ...]] = POOLED_LAYERS  # the layers to choose from

    @property
    @abstractmethod
    def layer(self) -> Layer:
        """The layer that the features come from."""

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, SupervisedMethod):
            return "it is trained end to end, not probed"
        return layer_missing(self.layer, method)

    def problems(self) -> list[str]:
        problems = super().problems()
        if self.layer not in self.layers:
            hint, choices = did_you_mean(self.layer, self.layers), ", ".join(self.layers)
            problems.append(f"layer is {self.layer!r}{hint}, it must be one of {choices}")
        return problems

    def splits(self, context: TaskContext) -> tuple[dict[str, Any], Split, Split, np.ndarray]:
        """Return the summary of the subset, its features and labels, those of validation, and the features of test."""
        rows, summary = context.subset(self.fraction, self.seed, self.subset)
        train = context.features("train", self.layer)[rows], context.labels("train")[rows]
        val = context.features("val", self.layer), context.labels("val")
        return summary, train, val, context.features("test", self.layer)


def make_predictions(val: np.ndarray, test: np.ndarray, labels: np.ndarray, details: dict[str, Any]) -> Predictions:
    """Return `Predictions` with the logits of test and the thresholds from the logits and labels of validation."""
    return Predictions({"logits": test.astype(np.float32)}, f1_thresholds(labels, val), details)
