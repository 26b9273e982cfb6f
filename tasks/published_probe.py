"""MERL's probing protocol as its code has it, to explain published numbers; marked wherever it is shown.

Liu et al., ICML 2024; DERI (IJCAI 2025) copies it. The number is the maximum over epochs of test AUROC. The lock
on the test labels holds all the same: the task predicts the test set after every epoch, and the scorer, which
alone has the labels, takes the maximum. Each quirk is a field, so that ``ecgarena explain`` can switch one on
after the other. Left out: fp16 autocast, which on a CPU does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import expit

from benchmark.api import SPLITS, Method, Predictions, Scores, SupervisedMethod, TaskContext, Truth
from benchmark.errors import did_you_mean
from benchmark.metrics.classification import auroc, f1_thresholds, macro
from benchmark.metrics.scoring import score_classes
from benchmark.probes.base_task import ProbeTask, predictions_with
from benchmark.probes.published import Loop, fixed, live, run
from benchmark.registry import TASKS

CHOICES = {
    "cut": ("batches", "epochs"),
    "batchnorm": ("train", "eval"),
    "choose": ("test", "validation"),
}  # the published way comes first


@TASKS.register("published_probe")
@dataclass(frozen=True)
class PublishedProbe(ProbeTask):
    """One linear layer by Adam; the defaults are MERL's, DERI's have lr 0.01 and milestone 50.

    `cut`: the rate falls to a tenth after `milestone` batches or epochs. `batchnorm`: normalisation and dropout in
    train or eval mode. `subset`: see `ProbeTask`. `choose`: the epoch by test or validation.
    `freeze` false trains the backbone too, which MERL's code does unless 'linear' is in the run's name.
    """

    epochs: int = 100
    batch_size: int = 16
    lr: float = 1e-3
    weight_decay: float = 1e-4
    milestone: int = 40
    cut: str = "batches"
    batchnorm: str = "train"
    subset: str = "recordings"
    choose: str = "test"
    freeze: bool = True

    version: ClassVar[int] = 1
    protocol: ClassVar[str] = "merl-published"

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, SupervisedMethod):
            return "it is trained end to end, there is no backbone to probe"
        if (self.batchnorm == "train" or not self.freeze) and not issubclass(method, torch.nn.Module):
            return f"{method.__name__} is no torch module, it has no train mode and nothing to train"
        return None

    def problems(self) -> list[str]:
        wrong = [*super().problems(), *self.at_least(1, "epochs", "batch_size", "milestone")]
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                wrong.append(f"{name} is {value!r}{did_you_mean(value, known)}")
        if not self.freeze and self.batchnorm == "eval":
            wrong.append("freeze is false with batchnorm 'eval': the published code has no such case")
        return wrong

    def predict(self, context: TaskContext) -> Predictions:
        rows, summary = context.subset(self.fraction, self.seed, self.subset)
        val, per_test = context.labels("val"), self.choose == "test"
        history: list[dict[str, float]] = []
        kept: list[tuple[np.ndarray, np.ndarray]] = []  # logits of val and test: of all epochs, or of the best
        for logits in self._epochs(context, rows):
            score = macro(auroc(val, logits[0]))
            better = not history or score > max(entry["val_score"] for entry in history)
            history.append({"epoch": len(history) + 1, "val_score": score})
            kept = [*kept, logits] if per_test else [logits] if better else kept
            title = f"published probe of {context.method_class.__name__}"
            context.progress(title, len(history), self.epochs, {"val_score": score})
        details: dict[str, Any] = {"subset": summary, "history": history}
        if per_test:
            thresholds = np.stack([f1_thresholds(val, logits) for logits, _ in kept])
            return Predictions({"epochs": np.stack([test for _, test in kept], axis=1)}, thresholds, details)
        details["choice"] = max(history, key=lambda entry: entry["val_score"])
        return predictions_with(*kept[0], val, details)

    def _epochs(self, context: TaskContext, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Logits of val and test after every epoch of the published loop on the training recordings `rows`."""
        loop = Loop(
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=self.weight_decay,
            milestone=self.milestone,
            cut_per_batch=self.cut == "batches",
            freeze=self.freeze,
            seed=self.seed,
        )
        labels = context.labels("train")[rows]
        sizes = {split: len(context.record_ids(split)) for split in ("val", "test")}
        if self.batchnorm == "eval":  # nothing changes from epoch to epoch: the cached features will do
            features = {split: context.features(split) for split in SPLITS}
            encode = fixed({**features, "train": features["train"][rows]}, context.device)
            return run(encode, None, labels, sizes, loop, context.device)
        method = context.fresh_method(self.seed)
        assert isinstance(method, torch.nn.Module)  # `skip_reason` has seen to it
        signals = {split: context.signals(split, method.signal, rows if split == "train" else None) for split in SPLITS}
        encode = live(method, lambda split, positions: signals[split].batch(positions).ecg, context.device)
        return run(encode, method, labels, sizes, loop, context.device)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Here, in the scorer, the epoch is chosen on the test labels where that is the question."""
        if self.choose == "validation":
            return super().score(predictions, truth)
        epochs = np.ascontiguousarray(predictions.arrays["epochs"].astype(np.float64).swapaxes(0, 1))
        values = [macro(auroc(truth.labels, logits)) for logits in epochs]
        best = int(np.argmax(values))
        thresholds = None if predictions.thresholds is None else predictions.thresholds[best]
        scores = score_classes(truth, epochs[best], thresholds, expit(epochs[best]))
        scores.metrics["auroc_macro_last_epoch"] = values[-1]
        scores.notes.append(f"epoch {best + 1} of {len(epochs)} chosen by its test AUROC, as published")
        return scores
