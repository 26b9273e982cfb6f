"""Supervised training from scratch: the ResNet-1D that the pre-trained methods use, without pre-training.

The encoder is MERL's (Liu et al., ICML 2024); only the labelled subset of a task teaches it.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import Batch, MethodCard, Scaling, SignalSpec, SupervisedMethod
from benchmark.errors import UsageError, did_you_mean
from benchmark.registry import METHODS
from methods.nn.resnet1d import DEPTHS, ResNet1D


@METHODS.register("supervised")
class Supervised(nn.Module, SupervisedMethod):
    """Encoder, mean over time, dropout, one linear layer; one sigmoid per class."""

    card: ClassVar[MethodCard] = MethodCard(
        title="Supervised from scratch",
        paper="baseline; encoder of MERL: Liu et al., ICML 2024 (PMLR v235 liu24bg)",
        licence="MIT",
        note="Trained end to end on each task's labelled subset; no report and no other recording is seen.",
    )

    def __init__(
        self,
        encoder: str = "resnet18",
        width: int = 64,
        rate: float = 500.0,
        seconds: float = 10.0,
        scaling: Scaling = "millivolt",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if encoder not in DEPTHS:
            raise UsageError(f"supervised: encoder = {encoder!r} is unknown{did_you_mean(encoder, DEPTHS)}")
        self._signal = SignalSpec(rate, seconds, scaling=scaling)
        self.ecg_encoder = ResNet1D(encoder, width, len(self._signal.leads), classes=0)
        self.dropout = nn.Dropout(dropout)
        self.head: nn.Linear | None = None

    @property
    def signal(self) -> SignalSpec:
        """Millivolt in the standard lead order unless configured otherwise."""
        return self._signal

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Mean over time of the last stage: ``(batch, lead, time)`` -> ``(batch, 8 * width)``."""
        return self.ecg_encoder(ecg).mean(-1)

    def start_task(self, classes: int) -> None:
        """Attach a fresh output layer; the encoder stays as it is, so build a new method for a new subset."""
        device = next(self.parameters()).device
        self.head = nn.Linear(self.ecg_encoder.channels, classes, device=device)

    def class_scores(self, ecg: Tensor) -> Tensor:
        """``(batch, lead, time)`` -> logits ``(batch, class)``."""
        if self.head is None:
            raise UsageError("supervised has no output layer yet: call start_task(classes) before training or loading")
        return self.head(self.dropout(self.ecg_features(ecg)))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Binary cross-entropy, mean over recordings and classes (``bce``)."""
        if batch.labels is None:
            raise UsageError("supervised learns from labels: this batch has none")
        # in float32 even under autocast
        logits = self.class_scores(batch.ecg).float()
        return {"bce": F.binary_cross_entropy_with_logits(logits, batch.labels.float())}
