"""MERL's probing protocol as its code has it, to explain published numbers; marked wherever it is shown.

Liu et al., ICML 2024; DERI (IJCAI 2025) copies it. The number is the maximum over epochs of test AUROC. The lock
on the test labels holds all the same: the task predicts the test set after every epoch, and the scorer, which
alone has the labels, takes the maximum. Each quirk is a field, so that ``ecgbench explain`` can switch one on
after the other. Left out: fp16 autocast, which on a CPU does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import expit

from benchmark.api import Answer, Method, Scores, SupervisedMethod, Truth
from benchmark.engine.context import TaskContext
from benchmark.engine.events import Event
from benchmark.errors import did_you_mean
from benchmark.metrics.classification import auroc, f1_thresholds, macro
from benchmark.metrics.scoring import score_classes
from benchmark.probes.published import Loop, fixed, live, run
from benchmark.probes.task import ProbeTask
from benchmark.registry import TASKS

CHOICES = {
    "cut": ("batches", "epochs"),
    "batchnorm": ("train", "eval"),
    "subset": ("recordings", "patients"),
    "choose": ("test", "validation"),
}  # the published way comes first


@TASKS.register("published_probe")
@dataclass(frozen=True)
class PublishedProbe(ProbeTask):
    """One linear layer by Adam; the defaults are MERL's, DERI's have lr 0.01 and milestone 50.

    `cut`: the rate falls to a tenth after `milestone` batches or epochs. `batchnorm`: normalisation and dropout in
    train or eval mode. `subset`: drawn by recordings or patients. `choose`: the epoch by test or validation.
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

    @classmethod
    def cannot(cls, method: type[Method]) -> str | None:
        if issubclass(method, SupervisedMethod):
            return "it is trained end to end, there is no backbone to probe"
        return None

    def refuses(self, method: type[Method]) -> str | None:
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

    def answer(self, context: TaskContext) -> Answer:
        subset = context.subset(self.fraction, self.seed, by_recording=self.subset == "recordings")
        loop = Loop(
            self.epochs,
            self.batch_size,
            self.lr,
            self.weight_decay,
            self.milestone,
            self.cut == "batches",
            self.seed,
        )
        labels, val = context.labels("train")[subset.rows], context.labels("val")
        history, found = [], []
        for epoch, (val_logits, test_logits) in enumerate(self._epochs(context, subset.rows, labels, loop), start=1):
            score = macro(auroc(val, val_logits))
            history.append({"epoch": epoch, "val_score": round(score, 6)})
            found.append((val_logits, test_logits))
            if self.choose == "validation":  # the others will not be asked for
                best = max(history, key=lambda entry: (entry["val_score"], -entry["epoch"]))["epoch"]
                found = [pair if at + 1 == best else (None, None) for at, pair in enumerate(found)]  # type: ignore[misc]
            title = f"published probe of {context.method_class.__name__}"
            context.report(Event("step", title, epoch, self.epochs, {"val_score": score}))
        details: dict[str, Any] = {"subset": subset.summary(), "history": history}
        if self.choose == "test":
            thresholds = np.stack([f1_thresholds(val, logits) for logits, _ in found])
            return Answer({"epochs": np.stack([test for _, test in found]).astype(np.float32)}, thresholds, details)
        choice = max(history, key=lambda entry: (entry["val_score"], -entry["epoch"]))
        val_logits, test_logits = found[int(choice["epoch"]) - 1]
        details["choice"] = choice
        return Answer({"logits": test_logits.astype(np.float32)}, f1_thresholds(val, val_logits), details)

    def _epochs(self, context: TaskContext, rows: np.ndarray, labels: np.ndarray, loop: Loop) -> Any:
        sizes = {split: len(context.signals(split, context.method.signal)) for split in ("val", "test")}
        if self.batchnorm == "eval":
            features = {split: context.features(split) for split in ("train", "val", "test")}
            encode = fixed({**features, "train": features["train"][rows]}, context.device)
            return run(encode, None, labels, sizes, loop, True, context.device)
        method = context.fresh_method(self.seed)
        assert isinstance(method, torch.nn.Module)  # `refuses` has said so
        signals = {split: context.signals(split, method.signal) for split in ("val", "test")}
        signals["train"] = context.signals("train", method.signal, rows)
        encode = live(method, lambda split, positions: signals[split].batch(positions).ecg, context.device)
        return run(encode, method, labels, sizes, loop, self.freeze, context.device)

    def score(self, answer: Answer, truth: Truth) -> Scores:
        """Here, in the scorer, the epoch is chosen on the test labels where that is the question."""
        if self.choose == "validation":
            return super().score(answer, truth)
        epochs = answer.predictions["epochs"].astype(np.float64)
        values = [macro(auroc(truth.labels, logits)) for logits in epochs]
        best = int(np.argmax(values))
        thresholds = None if answer.thresholds is None else answer.thresholds[best]
        scores = score_classes(truth, epochs[best], thresholds, expit(epochs[best]))
        scores.metrics["auroc_macro_last_epoch"] = values[-1]
        scores.notes.append(f"epoch {best + 1} of {len(epochs)} chosen by its test AUROC, as published")
        return scores
