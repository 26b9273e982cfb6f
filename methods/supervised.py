"""Supervised training from scratch: the ResNet-1D that the pre-trained methods use, without pre-training.

The encoder is MERL's (Liu et al., ICML 2024); only the labelled subset of a task teaches it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import Batch, MethodCard, Scaling, SignalSpec, SupervisedMethod
from benchmark.errors import UsageError, did_you_mean
from benchmark.registry import METHODS
from methods.nn.resnet1d import DEPTHS, ResNet1D


@METHODS.register("supervised")
class Supervised(nn.Module, SupervisedMethod):
    """Encoder, mean over time, dropout, one linear layer; one sigmoid per class.

    With `crop_seconds` it learns from random crops of that length and is applied to whole recordings
    (Strodthoff et al., IEEE JBHI 2021, train on 2.5 s): cheaper, and an augmentation.
    """

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
        crop_seconds: float = 0.0,
    ) -> None:
        super().__init__()
        if encoder not in DEPTHS:
            raise UsageError(f"supervised: encoder = {encoder!r} is unknown{did_you_mean(encoder, DEPTHS)}")
        if not 0 <= crop_seconds <= seconds:
            raise UsageError(f"supervised: crop_seconds = {crop_seconds} must lie between 0 (none) and {seconds} s")
        self._signal = SignalSpec(rate, seconds, scaling=scaling)
        self.crop = round(crop_seconds * rate)  # samples
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
        logits = self.class_scores(random_crop(batch.ecg, self.crop)).float()
        return {"bce": F.binary_cross_entropy_with_logits(logits, batch.labels.float())}


def random_crop(ecg: Tensor, samples: int) -> Tensor:
    """Cut `samples` at a random place out of each recording; 0 leaves ``(batch, lead, time)`` whole."""
    if not samples or samples == ecg.shape[-1]:
        return ecg
    starts = torch.randint(ecg.shape[-1] - samples + 1, (len(ecg), 1, 1), device=ecg.device)
    places = starts + torch.arange(samples, device=ecg.device)  # (batch, 1, samples)
    return ecg.gather(-1, places.expand(-1, ecg.shape[1], -1))
