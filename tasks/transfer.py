"""Transfer: a linear probe learns on one dataset and is scored on the mapped classes of another's test split.

The source is a field, the target is the cell's dataset. The probe is that of `linear_probe` (frozen features; penalty
and thresholds chosen on the *source's* validation split). The target provides its test signals and nothing else. A
class map (`benchmark.data.labels.class_maps`) relates the classes: a scored class is positive when any of its members
is, and its score is the highest of its members. The idea and the maps are those of MERL (ICML 2024), section on
distribution shift. Transfer without any label of the source is zero-shot on the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from benchmark.api import Method, Predictions, Scores, SupervisedMethod, Task, TaskContext, Truth
from benchmark.data.labels.class_maps import ClassMap, find_map, label_set_of, strongest
from benchmark.errors import UsageError
from benchmark.metrics.classification import f1_thresholds
from benchmark.metrics.scoring import PRIMARY, score_classes
from benchmark.probes.search import tune
from benchmark.registry import TASKS


@TASKS.register("transfer")
@dataclass(frozen=True)
class Transfer(Task):
    """Learn from `source` (``DATASET/LABEL_SET``), with `fraction`, `seed` and `trials` as in `linear_probe`.

    `class_map` is the path of a JSON file to use instead of the project's own maps.
    """

    source: str = "ptbxl/super"
    fraction: float = 1.0
    seed: int = 0
    trials: int = 16
    class_map: str = ""

    version: ClassVar[int] = 1
    primary: ClassVar[str] = PRIMARY

    def __post_init__(self) -> None:
        label_set_of(self.source)
        if not 0 < self.fraction <= 1:
            raise UsageError(f"transfer: fraction is {self.fraction}, it must lie above 0 and up to 1")
        if self.trials < 1:
            raise UsageError(f"transfer: trials is {self.trials}, it must be at least 1")

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, SupervisedMethod):
            return "it is trained end to end on the labels of the cell's own dataset"
        if self.source == f"{dataset}/{label_set}":
            return "transfer to itself is the task linear_probe"
        if find_map(self.source, f"{dataset}/{label_set}", self.class_map) is None:
            return f"there is no class map from {self.source}"
        return None

    def learns_from(self) -> tuple[str, str]:
        return label_set_of(self.source)

    def canonical_form(self) -> Transfer:
        """Return the task with seed 0 at 100 %, where all seeds draw the same subset."""
        return replace(self, seed=0) if self.fraction == 1 else self

    def inputs(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> dict[str, str]:
        """Return the digest of the class map."""
        return {"class_map": self._find_map(f"{dataset}/{label_set}").digest}

    def predict(self, context: TaskContext) -> Predictions:
        source, target = context.source_dataset, f"{context.dataset}/{context.label_set}"
        class_map = self._find_map(target)
        class_map.columns(target, context.classes)  # a map that does not fit fails before any work
        columns = class_map.columns(self.source, source.classes)
        rows, summary = source.subset(self.fraction, self.seed)
        train = source.features("train")[rows], source.labels("train")[rows]
        val = source.features("val"), source.labels("val")
        tuned = tune(train, val, trials=self.trials, seed=self.seed)
        logits = strongest(tuned.scores(context.features("test")), columns)
        thresholds = f1_thresholds(strongest(val[1], columns), strongest(tuned.scores(val[0]), columns))
        details = {"subset": summary, "choice": tuned.choice, "trials": tuned.trials, "search": tuned.search}
        details["class_map"] = {"members": dict(class_map.members), "source": class_map.source}
        return Predictions({"logits": logits.astype(np.float32)}, thresholds, details)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        logits = predictions.arrays["logits"].astype(np.float64)
        subset = self._map_subset(predictions.details["subset"], truth.label_set)
        result = score_classes(self._map_truth(truth), logits, predictions.thresholds, expit(logits), subset)
        unmapped = [name for name, members in self._find_map(truth.label_set).members.items() if not members]
        if unmapped:
            result.notes.append(
                f"transfer with {self.source}: not judged, for want of a counterpart: {', '.join(unmapped)}"
            )
        return result

    def _map_subset(self, subset: Mapping[str, Any], target: str) -> dict[str, Any]:
        """Return the subset of the source with its positives by mapped class."""
        class_map, counts = self._find_map(target), subset["positives"]
        columns, numbers = class_map.columns(self.source, list(counts)), list(counts.values())
        most = [max(numbers[column] for column in group) for group in columns]
        return {**subset, "positives": dict(zip(class_map.classes, most, strict=True))}

    def _map_truth(self, truth: Truth) -> Truth:
        """Return the target's truth on the classes of the map."""
        class_map = self._find_map(truth.label_set)
        labels = strongest(truth.labels, class_map.columns(truth.label_set, truth.classes))
        return replace(truth, labels=labels, classes=class_map.classes)

    def _find_map(self, target: str) -> ClassMap:
        class_map = find_map(self.source, target, self.class_map)
        if class_map is None:
            raise UsageError(f"there is no class map between {self.source} and {target}")
        return class_map
