"""Linear probing under the protocol `frozen-eval-1`: L2 logistic regression on frozen features.

The backbone is in eval mode and its features are computed once. They are standardised on the labelled subset, the
regression is solved to convergence, and the penalty is chosen on the validation split alone. A `SupervisedMethod` is
instead trained end to end on the same subset, and its best epoch by validation is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.api import Layer, Method, Predictions, Step, SupervisedMethod, TaskContext
from benchmark.errors import UsageError
from benchmark.metrics.classification import auroc, macro
from benchmark.probes.base_task import FrozenFeatureTask, make_predictions
from benchmark.probes.search import Space, tune
from benchmark.registry import TASKS


@TASKS.register("linear_probe")
@dataclass(frozen=True)
class LinearProbe(FrozenFeatureTask):
    """Use `fraction` of the training labels, drawn with `seed` by `subset`, and features of `layer`.

    The search ends after `trials`, or after `seconds` of solving (0: no limit; with one, results depend on the
    machine). `search` joins the parts to search with +: penalty, weighting (of classes), standardisation. `layer` is
    features (the backbone's output), embeddings (pooled, aligned with text) or tokens (their mean).
    """

    trials: int = 16
    layer: Layer = "features"
    search: str = "penalty+weighting"
    seconds: float = 0.0

    version: ClassVar[int] = 1

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        """Return why the method is skipped; one trained end to end has no layer but its features."""
        if not issubclass(method, SupervisedMethod):
            return super().skip_reason(method, dataset, label_set)
        if self.layer != "features":
            return f"{method.__name__} is trained end to end, there is no layer to choose"
        return None

    def problems(self) -> list[str]:
        problems = [*super().problems(), *self.at_least(1, "trials"), *self.at_least(0, "seconds")]
        try:
            Space.of(self.search)
        except UsageError as error:
            problems.append(str(error))
        return problems

    def reproduction_steps(self) -> tuple[Step, ...]:
        """Return one published quirk after the other, up to MERL's probe as published."""
        fields: dict[str, Any] = {"fraction": self.fraction, "seed": self.seed}
        fields |= {"cut": "epochs", "batchnorm": "eval", "subset": "patients", "choose": "validation"}
        quirks: dict[str, dict[str, Any]] = {
            "one layer by Adam in batches of 16; the best epoch by validation": {},
            "the learning rate is cut after 40 batches, not epochs": {"cut": "batches"},
            "BatchNorm and dropout stay in train mode": {"batchnorm": "train"},
            "a subset of recordings drawn without regard to patients and labels": {"subset": "recordings"},
            "the best epoch by test AUROC, as published": {"choose": "test"},
            "the backbone is trained as well (a name without 'linear' switches the freezing off)": {"freeze": False},
        }
        steps = []
        for change, quirk in quirks.items():
            fields |= quirk
            steps.append(Step(change, "published_probe", dict(fields)))
        return tuple(steps)

    def predict(self, context: TaskContext) -> Predictions:
        if issubclass(context.method_class, SupervisedMethod):
            return self._train_end_to_end(context)
        subset, train, val, test = self.splits(context)
        journal = context.scratch("search.jsonl")
        tuned = tune(train, val, self.trials, self.seed, Space.of(self.search), self.seconds, journal)
        details = {"subset": subset, "choice": tuned.choice, "trials": tuned.trials, "search": tuned.search}
        return make_predictions(tuned.scores(val[0]), tuned.scores(test), val[1], details)

    def _train_end_to_end(self, context: TaskContext) -> Predictions:
        """Train a fresh method by the suite's options; at most five of its epochs are evaluated."""
        rows, summary = context.subset(self.fraction, self.seed, self.subset)
        labels = context.labels("val")
        method = context.fresh_method(self.seed)
        assert isinstance(method, SupervisedMethod)
        method.start_task(len(context.classes))
        options = {"seed": self.seed}
        scores, history = context.train_and_choose(method, rows, options, lambda val: macro(auroc(labels, val)))
        best = max((epoch for epoch in history if "val_score" in epoch), key=lambda epoch: epoch["val_score"])
        details = {"subset": summary, "trained": "end to end", "choice": best, "history": history}
        return make_predictions(scores["val"], scores["test"], labels, details)
