"""Zero-shot classification: compare recordings with class prompts in the space that a method shares with text.

A class is the mean of its phrases' normalised embeddings; its score is the method's own similarity. No label of any
split is used, so there is no threshold and hence no F1.

`centre = "classes"` first subtracts the mean of the label set's class embeddings, so that what all prompts have in
common (being short, being one language) no longer ranks the recordings. It needs the prompts alone. The default,
"none", is what the papers do.

To show how much depends on the wording, the same is scored with one phrase per class at a time (the k-th of each class,
starting over where a class has fewer). The record keeps every such AUROC with its spread. They never choose anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import stdev
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmark.api import AlignedMethod, Method, Predictions, Scores, Task, TaskContext, Truth
from benchmark.canonical import digest
from benchmark.data.labels.prompts import load_prompts
from benchmark.errors import UsageError, did_you_mean
from benchmark.metrics.classification import auroc, macro
from benchmark.metrics.scoring import PRIMARY, score_classes
from benchmark.registry import TASKS

if TYPE_CHECKING:
    from torch import Tensor

CENTRES = ("none", "classes")


@TASKS.register("zero_shot")
@dataclass(frozen=True)
class ZeroShot(Task):
    """Use the prompt set `prompts`: a name (``en``, ``de``), a JSON file, or several joined with ``+``."""

    prompts: str = "en"
    centre: str = "none"

    version: ClassVar[int] = 1
    primary: ClassVar[str] = PRIMARY

    def __post_init__(self) -> None:
        if self.centre not in CENTRES:
            raise UsageError(f"zero_shot: centre is {self.centre!r}{did_you_mean(self.centre, CENTRES)}")

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, AlignedMethod):
            return None
        return "it has no space shared by recordings and texts"

    def inputs(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> dict[str, str]:
        """Return the digest of the phrases in use; other classes of the same file do not matter."""
        return {"prompts": digest(load_prompts(self.prompts).phrases(dataset, label_set, classes))}

    def predict(self, context: TaskContext) -> Predictions:
        import torch

        phrases = load_prompts(self.prompts).phrases(context.dataset, context.label_set, context.classes)
        method = context.method
        assert isinstance(method, AlignedMethod)  # `skip_reason` guarantees it
        ecg = torch.from_numpy(np.array(context.features("test", "embeddings")))
        with torch.inference_mode():
            vectors = [phrase_embeddings(method, group) for group in phrases]
            whole = self._compare(method, ecg, [group.mean(dim=0) for group in vectors])
            single = [
                self._compare(method, ecg, [group[number % len(group)] for group in vectors])
                for number in range(max(map(len, vectors)))
            ]
        details = {"prompts": self.prompts, "phrases": sum(map(len, phrases))}
        return Predictions({"scores": whole}, details=details, scratch={"single_phrases": np.stack(single)})

    def _compare(self, method: AlignedMethod, ecg: Tensor, classes: list[Tensor]) -> np.ndarray:
        """Return similarities ``(n, class)`` of recordings ``(n, dim)`` and a vector per class."""
        import torch

        text = torch.stack(classes)
        if self.centre == "classes":
            text = text - text.mean(dim=0)
        return method.similarity(ecg.to(text.device), text).float().cpu().numpy()

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        result = score_classes(truth, predictions.arrays["scores"].astype(np.float64))
        singles = [macro(auroc(truth.labels, scores)) for scores in predictions.scratch.get("single_phrases", ())]
        if len(singles) > 1 and np.isfinite(singles).all():
            result.analysis["single_phrases"] = summarise(singles)
        return result


def summarise(values: list[float]) -> dict[str, Any]:
    """Return the values with their extremes and standard deviation, as JSON."""
    numbers = {"min": min(values), "max": max(values), "sd": stdev(values)}
    return {**{name: round(value, 6) for name, value in numbers.items()}, "values": [round(v, 6) for v in values]}


def phrase_embeddings(method: AlignedMethod, phrases: list[str]) -> Tensor:
    """Return normalised embeddings of a class's phrases, ``(phrase, dim)``; the class itself is their mean."""
    from torch.nn.functional import normalize

    return normalize(method.text_embeddings(phrases), dim=-1)
