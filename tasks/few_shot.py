"""Few-shot classification from text: starts from the prompts' embeddings and learns from a few examples of a class.

It lies between zero-shot (0 examples, no label at all) and the linear probe. The examples are `shots` recordings of
every class, each of another patient, in the order in which label subsets draw the patients, so fewer examples are
always among more. The similarity with the prompts and a ridge regression on the embeddings are weighed on the
validation split, as the penalty of the linear probe is; with 0 examples nothing is chosen and the scores are those of
zero-shot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from benchmark.api import AlignedMethod, Method, Predictions, Scores, Task, TaskContext, Truth
from benchmark.canonical import digest
from benchmark.data.labels.prompts import load_prompts
from benchmark.errors import UsageError, did_you_mean, raise_all
from benchmark.metrics.scoring import PRIMARY, score_classes
from benchmark.probes.base_task import make_predictions
from benchmark.probes.from_prompts import CENTRES, Part, learn_from_prompts, similarities
from benchmark.registry import TASKS

MOST = 1000  # with more examples of a class the linear probe is the question


@TASKS.register("few_shot")
@dataclass(frozen=True)
class FewShot(Task):
    """Learn from `shots` examples of each class, drawn with `seed`, starting from the prompt set `prompts`.

    `prompts` and `centre` are those of zero-shot.
    """

    shots: int = 16
    seed: int = 0
    prompts: str = "en"
    centre: str = "none"

    version: ClassVar[int] = 1
    primary: ClassVar[str] = PRIMARY

    def __post_init__(self) -> None:
        wrong = [] if 0 <= self.shots <= MOST else [f"shots is {self.shots}, it must be 0 to {MOST}"]
        if self.centre not in CENTRES:
            wrong.append(f"centre is {self.centre!r}{did_you_mean(self.centre, CENTRES)}")
        raise_all(wrong, "the task few_shot cannot run with these options:", UsageError)

    def canonical_form(self) -> Self:
        """Return the task with seed 0 where nothing is drawn: without examples."""
        return self if self.shots else replace(self, seed=0)

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, AlignedMethod):
            return None
        return "it has no space shared by recordings and texts"

    def inputs(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> dict[str, str]:
        """Return the digest of the phrases in use; other classes of the same file do not matter."""
        return {"prompts": digest(load_prompts(self.prompts).phrases(dataset, label_set, classes))}

    def examples(self, context: TaskContext) -> np.ndarray:
        """Return the positions of the drawn examples: no other recording of train is embedded."""
        return context.first_of_each_class(self.shots, self.seed)[0] if self.shots else np.empty(0, np.intp)

    def predict(self, context: TaskContext) -> Predictions:
        phrases = load_prompts(self.prompts).phrases(context.dataset, context.label_set, context.classes)
        method = context.method
        assert isinstance(method, AlignedMethod)  # `skip_reason` guarantees it
        test = context.features("test", "embeddings")
        if not self.shots:
            [scores] = similarities(method, phrases, self.centre, test)
            return Predictions({"logits": scores}, details={"subset": {"n": 0, "shots": 0}})
        rows, subset = context.first_of_each_class(self.shots, self.seed)
        train, val = context.features("train", "embeddings", rows), context.features("val", "embeddings")
        prior = similarities(method, phrases, self.centre, train, val, test)
        labels = context.labels("train")[rows], context.labels("val")
        fit = learn_from_prompts(Part(train, prior[0], labels[0]), Part(val, prior[1], labels[1]), Part(test, prior[2]))
        details: dict[str, Any] = {
            "subset": {**subset, "shots": self.shots},
            "choice": fit.choice,
            "trials": fit.trials,
        }
        return make_predictions(fit.val, fit.test, labels[1], details)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Score similarities and regressed labels, which are no probabilities: there is no Brier score."""
        scores, subset = predictions.arrays["logits"].astype(np.float64), predictions.details["subset"]
        result = score_classes(truth, scores, predictions.thresholds, subset=subset if subset["shots"] else None)
        few = [name for name, count in subset.get("positives", {}).items() if count < subset["shots"]]
        if few:
            result.notes.append(f"fewer than {subset['shots']} examples in train: {', '.join(few)}")
        return result
