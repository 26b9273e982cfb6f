"""Zero-shot classification: class prompts meet recordings in the space that a method shares with text.

A class is the mean of its phrases' normalised embeddings; its score is the method's own similarity. No
label, of any split, is used: there is no threshold, hence no F1.

`centre = "classes"` first subtracts the mean of the label set's class embeddings, so that what all prompts
have in common (being short, being one language) no longer ranks the recordings; it needs the prompts alone.
The default, "none", is what the papers do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from benchmark.api import AlignedMethod, Answer, Method, Scores, Task, Truth
from benchmark.canonical import digest
from benchmark.data.prompts import load_prompts
from benchmark.engine.context import TaskContext
from benchmark.errors import UsageError, did_you_mean
from benchmark.metrics.scoring import PRIMARY, score_classes
from benchmark.registry import TASKS

if TYPE_CHECKING:
    from torch import Tensor

CENTRES = ("none", "classes")


@TASKS.register("zero_shot")
@dataclass(frozen=True)
class ZeroShot(Task):
    """`prompts` names a prompt set (``en``, ``de``), a JSON file, or several joined with ``+``."""

    prompts: str = "en"
    centre: str = "none"

    version: ClassVar[int] = 1
    primary: ClassVar[str] = PRIMARY

    def __post_init__(self) -> None:
        if self.centre not in CENTRES:
            raise UsageError(f"zero_shot: centre is {self.centre!r}{did_you_mean(self.centre, CENTRES)}")

    @classmethod
    def cannot(cls, method: type[Method]) -> str | None:
        if issubclass(method, AlignedMethod):
            return None
        return "it has no space shared by recordings and texts"

    def inputs(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> dict[str, str]:
        """Digest of the phrases in use; other classes of the same file do not matter."""
        return {"prompts": digest(load_prompts(self.prompts).phrases(dataset, label_set, classes))}

    def answer(self, context: TaskContext) -> Answer:
        import torch

        phrases = load_prompts(self.prompts).phrases(context.dataset, context.label_set, context.classes)
        method = context.aligned_method
        ecg = torch.from_numpy(np.array(context.features("test", "embeddings")))
        with torch.inference_mode():
            text = torch.stack([class_embedding(method, group) for group in phrases])  # (class, dim)
            if self.centre == "classes":
                text = text - text.mean(dim=0)
            scores = method.similarity(ecg.to(text.device), text).float().cpu().numpy()
        return Answer({"scores": scores}, details={"prompts": self.prompts, "phrases": sum(map(len, phrases))})

    def score(self, answer: Answer, truth: Truth) -> Scores:
        return score_classes(truth, answer.predictions["scores"].astype(np.float64))


def class_embedding(method: AlignedMethod, phrases: list[str]) -> Tensor:
    """Mean of the normalised embeddings of a class's phrases: ``(dim,)``."""
    from torch.nn.functional import normalize

    return normalize(method.text_embeddings(phrases), dim=-1).mean(dim=0)
