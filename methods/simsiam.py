"""SimSiam: self-supervised learning by predicting the other view's projection, without negatives (Chen & He, 2021).

Chen & He, "Exploring Simple Siamese Representation Learning", CVPR 2021, arXiv 2011.10566. The gradient stops at the
predicted projection, which avoids collapse.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from benchmark.api import Batch, MethodCard, Scaling, SequenceMethod, SignalSpec, TrainableMethod
from benchmark.registry import METHODS
from methods.nn.augment import Augmentation
from methods.nn.two_views import TwoViews, build_mlp, byol_loss


@METHODS.register("simsiam")
class SimSiam(TwoViews, SequenceMethod, TrainableMethod):
    """A three-layer projector with a norm at its end and a predictor with a bottleneck; no momentum copy.

    `crop_seconds`, `gain`, `time_out`, `noise` and `lead_drop` are the augmentations of the views (see
    `methods.nn.augment`). The paper is about photographs, so these are the project's own.
    """

    needs_reports = False
    card: ClassVar[MethodCard] = MethodCard(
        title="SimSiam",
        paper="Chen & He, CVPR 2021 (arXiv 2011.10566)",
        licence="MIT",
        note="Re-implementation on MERL's encoder. It uses no reports, so it trains on recordings without one as well.",
    )

    def __init__(
        self,
        encoder: str = "resnet18",
        width: int = 64,
        rate: float = 500.0,
        seconds: float = 10.0,
        scaling: Scaling = "millivolt",
        crop_seconds: float = 2.5,
        gain: float = 0.2,
        time_out: float = 0.3,
        noise: float = 0.05,
        lead_drop: float = 0.2,
        hidden: int = 512,
        outputs: int = 512,
        bottleneck: int = 128,
    ) -> None:
        augmentation = Augmentation(round(crop_seconds * rate), gain, time_out, noise, lead_drop)
        projector = build_mlp(8 * width, hidden, outputs, layers=3, last_norm=True)
        super().__init__(SignalSpec(rate, seconds, scaling=scaling), encoder, width, augmentation, projector)
        self.predictor = build_mlp(outputs, bottleneck, outputs)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return 2 - 2 cos, each view predicting the other, mean of both (``simsiam``)."""
        first, second = (self.project(view) for view in self.views(batch.ecg))
        forwards, backwards = byol_loss(self.predictor(first), second), byol_loss(self.predictor(second), first)
        return {"simsiam": (forwards + backwards) / 2}
