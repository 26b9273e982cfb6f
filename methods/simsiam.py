"""SimSiam: predict one's own projection of the other view; stopping the gradient there is what avoids collapse.

Chen & He, "Exploring Simple Siamese Representation Learning", CVPR 2021, arXiv 2011.10566.
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
    """Three-layer projector with a norm at its end, a predictor with a narrow middle; no slow copy.

    `crop_seconds`, `gain`, `time_out`, `noise` and `lead_drop` make the views (see `methods.nn.augment`); the paper is
    about photographs, so they are ours.
    """

    needs_reports = False
    card: ClassVar[MethodCard] = MethodCard(
        title="SimSiam",
        paper="Chen & He, CVPR 2021 (arXiv 2011.10566)",
        licence="MIT",
        note="Re-implementation on MERL's encoder. Reads no report; recordings without one are learnt from too.",
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
        """2 - 2 cos, both views predicting each other, half of each (``simsiam``)."""
        first, second = (self.project(view) for view in self.views(batch.ecg))
        ahead, back = byol_loss(self.predictor(first), second), byol_loss(self.predictor(second), first)
        return {"simsiam": (ahead + back) / 2}
