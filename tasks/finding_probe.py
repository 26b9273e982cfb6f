"""Finding probe: single findings, such as ST depression, from frozen features, cross-fitted over the dataset's folds.

Labels are known for some recordings only (a sparse label set). A probe is trained and scored on the recordings where
its finding is known. Each predicted fold has its own probe, which has seen no label of it; the predictions of all folds
are scored together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.api import Layer, Method, Predictions, Scores, TaskContext, Truth
from benchmark.errors import UsageError, did_you_mean
from benchmark.layers import POOLED_LAYERS, layer_missing
from benchmark.metrics.finding_scoring import score_findings
from benchmark.probes.finding_task import FindingTask
from benchmark.probes.findings import fit_findings
from benchmark.registry import TASKS


@TASKS.register("finding_probe")
@dataclass(frozen=True)
class FindingProbe(FindingTask):
    """Use features of `layer`; one of 13 penalties is chosen on another fold. For `folds` see `docs/findings.md`."""

    layer: Layer = "features"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer not in POOLED_LAYERS:
            hint = did_you_mean(self.layer, POOLED_LAYERS)
            raise UsageError(f"layer is {self.layer!r}{hint}, it must be one of {', '.join(POOLED_LAYERS)}")

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        return super().skip_reason(method, dataset, label_set) or layer_missing(self.layer, method)

    def predict(self, context: TaskContext) -> Predictions:
        train, val = ((context.features(split, self.layer), context.labels(split)) for split in ("train", "val"))
        probes = fit_findings(train, val)
        details = {"choice": probes.choice, "trials": probes.trials}
        return Predictions({"logits": probes.scores(context.features("test", self.layer))}, details=details)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        return score_findings(truth, predictions.arrays["logits"].astype(np.float64))
