"""The linear probe of MERL's published code, with all of its quirks, to explain published numbers.

Liu et al., ICML 2024; DERI (IJCAI 2025) copies it. Every table with its results is marked. The reported number is the
maximum over epochs of test AUROC. The test labels stay locked: the task predicts the test set after every epoch, and
the scorer, which alone has the labels, takes the maximum. Where validation chooses, the test set is predicted once.
Each quirk is a field, so that ``ecgarena explain`` can switch on one after the other. Left out: fp16 autocast, which
does not exist on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

from benchmark.api import SPLITS, Method, Predictions, Scores, SupervisedMethod, TaskContext, Truth
from benchmark.errors import did_you_mean
from benchmark.metrics.classification import auroc, f1_thresholds, macro
from benchmark.metrics.scoring import score_classes
from benchmark.probes.base_task import ProbeTask, make_predictions
from benchmark.probes.published import Loop, Probe, encode_by_lookup, encode_by_method, train_published_probe
from benchmark.registry import TASKS

CHOICES = {
    "cut": ("batches", "epochs"),
    "batchnorm": ("train", "eval"),
    "choose": ("test", "validation"),
}  # the published way comes first


@TASKS.register("published_probe")
@dataclass(frozen=True)
class PublishedProbe(ProbeTask):
    """Train one linear layer by Adam; the defaults are MERL's, DERI's have lr 0.01 and milestone 50.

    `cut`: the rate falls to a tenth after `milestone` batches or epochs. `batchnorm`: normalisation and dropout in
    train or eval mode. `subset`: see `ProbeTask`. `choose`: the epoch by test or validation. `freeze` false trains the
    backbone too, which MERL's code does unless 'linear' is in the run's name.
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
        problems = [*super().problems(), *self.at_least(1, "epochs", "batch_size", "milestone")]
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                problems.append(f"{name} is {value!r}{did_you_mean(value, choices)}")
        if not self.freeze and self.batchnorm == "eval":
            problems.append("freeze is false with batchnorm 'eval': the published code has no such case")
        return problems

    def predict(self, context: TaskContext) -> Predictions:
        rows, summary = context.subset(self.fraction, self.seed, self.subset)
        val, per_test = context.labels("val"), self.choose == "test"
        history: list[dict[str, float]] = []
        epochs: list[tuple[np.ndarray, np.ndarray]] = []  # logits of val and test
        best: tuple[Probe, np.ndarray, list[Tensor]] | None = None  # its logits of val, and its state
        for probe in self._train_epochs(context, rows):
            logits = probe.logits("val")
            score = macro(auroc(val, logits))
            better = not history or score > max(entry["val_score"] for entry in history)
            history.append({"epoch": len(history) + 1, "val_score": score})
            if per_test:
                epochs.append((logits, probe.logits("test")))
            elif better:
                best = probe, logits, probe.state()
            title = f"published probe of {context.method_class.__name__}"
            context.progress(title, len(history), self.epochs, {"val_score": score})
        details: dict[str, Any] = {"subset": summary, "history": history}
        if best is None:
            thresholds = np.stack([f1_thresholds(val, logits) for logits, _ in epochs])
            return Predictions({"epochs": np.stack([test for _, test in epochs], axis=1)}, thresholds, details)
        details["choice"] = max(history, key=lambda entry: entry["val_score"])
        probe, logits, state = best
        probe.restore(state)
        return make_predictions(logits, probe.logits("test"), val, details)

    def _train_epochs(self, context: TaskContext, rows: np.ndarray) -> Iterator[Probe]:
        """Run the published loop on the training recordings `rows`; yield the probe after each epoch."""
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
        if self.batchnorm == "eval":  # nothing changes from epoch to epoch: cached features are enough
            features = {split: context.features(split) for split in SPLITS}
            encode = encode_by_lookup({**features, "train": features["train"][rows]}, context.device)
            return train_published_probe(encode, None, labels, sizes, loop, context.device)
        method = context.fresh_method(self.seed)
        assert isinstance(method, torch.nn.Module)  # `skip_reason` guarantees it
        signals = {split: context.signals(split, method.signal, rows if split == "train" else None) for split in SPLITS}
        encode = encode_by_method(method, lambda split, positions: signals[split].batch(positions).ecg, context.device)
        return train_published_probe(encode, method, labels, sizes, loop, context.device)

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Score the chosen epoch; with `choose` test it is chosen here, where the test labels are."""
        if self.choose == "validation":
            return super().score(predictions, truth)
        epochs = np.ascontiguousarray(predictions.arrays["epochs"].astype(np.float64).swapaxes(0, 1))
        values = [macro(auroc(truth.labels, logits)) for logits in epochs]
        best = int(np.argmax(values))
        thresholds = None if predictions.thresholds is None else predictions.thresholds[best]
        subset = predictions.details.get("subset")
        scores = score_classes(truth, epochs[best], thresholds, expit(epochs[best]), subset)
        scores.metrics["auroc_macro_last_epoch"] = values[-1]
        scores.notes.append(f"epoch {best + 1} of {len(epochs)} chosen by its test AUROC, as published")
        return scores
