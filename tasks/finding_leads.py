"""Finding leads: hide one lead at a time, and measure whether scores fall most for the leads that show the finding.

The probe is that of the finding probe. Every predicted recording is read twelve more times, each time with one lead at
0 mV, and scored again by the same probe. Only the scorer knows which leads show a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.api import LEADS, Layer, Method, Predictions, Scores, TaskContext, Truth
from benchmark.layers import layer_missing
from benchmark.metrics.lead_scoring import PRIMARY, score_leads
from benchmark.probes.finding_task import FindingTask
from benchmark.probes.findings import fit_findings
from benchmark.registry import TASKS

LAYER: Layer = "features"


@TASKS.register("finding_leads")
@dataclass(frozen=True)
class FindingLeads(FindingTask):
    """Hide one lead at a time and compare the scores of the finding probe. For `folds` see `docs/findings.md`."""

    version: ClassVar[int] = 1
    primary: ClassVar[str] = PRIMARY
    grid_metrics: ClassVar[tuple[str, ...]] = (PRIMARY, "auroc_leads", "lead_difference_absent")

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        return super().skip_reason(method, dataset, label_set) or layer_missing(LAYER, method)

    def predict(self, context: TaskContext) -> Predictions:
        train, val = ((context.features(split, LAYER), context.labels(split)) for split in ("train", "val"))
        probes = fit_findings(train, val)
        hidden = []
        for number, lead in enumerate(LEADS):
            context.progress("leads hidden", number, len(LEADS))
            hidden.append(probes.scores(context.features_without(lead, "test", LAYER)))
        logits = probes.scores(context.features("test", LAYER))
        return Predictions(
            {"logits": logits}, details={"choice": probes.choice}, scratch={"hidden": np.stack(hidden, axis=1)}
        )

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        logits, hidden = predictions.arrays["logits"], predictions.scratch["hidden"]
        return score_leads(truth, logits.astype(np.float64), hidden.astype(np.float64))
