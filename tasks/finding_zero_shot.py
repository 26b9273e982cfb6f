"""Zero-shot findings: similarity with phrases for a finding, minus similarity with phrases for its absence.

The score of a finding is the method's own similarity with its phrases minus that with the phrases of its absence; both
are means of normalised embeddings, as in zero-shot classification. No label of any fold is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmark.api import AlignedMethod, Method, Predictions, Scores, TaskContext, Truth
from benchmark.canonical import digest
from benchmark.data.labels.prompts import load_prompts
from benchmark.metrics.finding_scoring import score_findings
from benchmark.probes.finding_task import FindingTask
from benchmark.probes.from_prompts import similarities
from benchmark.registry import TASKS

ABSENT = "_absent"  # of the label set in a prompt set that has the phrases for the absence of its classes


@TASKS.register("finding_zero_shot")
@dataclass(frozen=True)
class FindingZeroShot(FindingTask):
    """Use the prompt set `prompts`, which has phrases for a label set and for it with the ending ``_absent``."""

    prompts: str = "en"

    version: ClassVar[int] = 1

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        return None if issubclass(method, AlignedMethod) else "it has no space shared by recordings and texts"

    def inputs(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> dict[str, str]:
        """Return the digest of the phrases in use."""
        return {"prompts": digest(self._phrases(dataset, label_set, classes))}

    def _phrases(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> list[list[list[str]]]:
        """Return the phrases of each finding, and those of its absence."""
        prompts = load_prompts(self.prompts)
        return [prompts.phrases(dataset, name, classes) for name in (label_set, label_set + ABSENT)]

    def predict(self, context: TaskContext) -> Predictions:
        method = context.method
        assert isinstance(method, AlignedMethod)  # `skip_reason` guarantees it
        ecg = context.features("test", "embeddings")
        groups = self._phrases(context.dataset, context.label_set, context.classes)
        present, absent = (similarities(method, phrases, "none", ecg)[0] for phrases in groups)
        details = {"prompts": self.prompts, "phrases": [sum(map(len, phrases)) for phrases in groups]}
        return Predictions({"scores": present - absent}, details=details)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        return score_findings(truth, predictions.arrays["scores"].astype(np.float64))
