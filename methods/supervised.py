"""Supervised from scratch: baseline with the ResNet-1D of the pre-trained methods, without pre-training.

The encoder is MERL's (Liu et al., ICML 2024), trained on a task's labelled subset alone.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from benchmark.api import MethodCard, Scaling, SequenceMethod, SignalSpec, SupervisedMethod
from benchmark.registry import METHODS
from methods.nn.backbone import ResNetBackbone
from methods.nn.supervision import Supervision, count_crop_samples


@METHODS.register("supervised")
class Supervised(Supervision, ResNetBackbone, SequenceMethod, SupervisedMethod):
    """Encoder, mean over time, dropout and one linear layer; one sigmoid per class.

    With `crop_seconds` it trains on random crops of that length and predicts on whole recordings (Strodthoff et al.,
    IEEE JBHI 2021, train on 2.5 s), which is cheaper and an augmentation.
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="Supervised from scratch",
        paper="baseline; encoder of MERL: Liu et al., ICML 2024 (PMLR v235 liu24bg)",
        licence="MIT",
        note="Trained end to end on each task's labelled subset, without reports and without other recordings.",
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
        super().__init__(SignalSpec(rate, seconds, scaling=scaling), encoder, width)
        self.crop = count_crop_samples(crop_seconds, seconds, rate)
        self.dropout = nn.Dropout(dropout)

    def output_layer(self, classes: int) -> nn.Module:
        """Build one linear layer on the pooled features."""
        return nn.Linear(self.ecg_encoder.channels, classes)

    def class_scores(self, ecg: Tensor) -> Tensor:
        """Return logits: ``(batch, lead, time)`` -> ``(batch, class)``."""
        return self.require_head()(self.dropout(self.ecg_features(ecg)))
