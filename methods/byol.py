"""BYOL: predict what a slow copy of oneself makes of the other view; there are no negatives.

Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, arXiv 2006.07733.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from benchmark.api import Batch, MethodCard, Scaling, SequenceMethod, SignalSpec, TrainableMethod
from benchmark.registry import METHODS
from methods.nn.augment import Augmentation
from methods.nn.two_views import MomentumCopy, TwoViews, build_mlp, byol_loss


@METHODS.register("byol")
class BYOL(TwoViews, SequenceMethod, TrainableMethod):
    """Projector and predictor of two layers, a target that follows by `momentum` (constant; the paper raises it to 1).

    `crop_seconds`, `gain`, `time_out`, `noise` and `lead_drop` make the views (see `methods.nn.augment`); the paper is
    about photographs, so they are ours.
    """

    needs_reports = False
    card: ClassVar[MethodCard] = MethodCard(
        title="BYOL",
        paper="Grill et al., NeurIPS 2020 (arXiv 2006.07733)",
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
        outputs: int = 128,
        momentum: float = 0.99,
    ) -> None:
        augmentation = Augmentation(round(crop_seconds * rate), gain, time_out, noise, lead_drop)
        signal = SignalSpec(rate, seconds, scaling=scaling)
        super().__init__(signal, encoder, width, augmentation, build_mlp(8 * width, hidden, outputs))
        self.predictor = build_mlp(outputs, hidden, outputs)
        self.target = MomentumCopy(self, momentum)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The mean squared error of unit vectors, both views predicting each other (``byol``)."""
        first, second = self.views(batch.ecg)
        online = self.predictor(self.project(first)), self.predictor(self.project(second))
        return {"byol": byol_loss(online[0], self.target(second)) + byol_loss(online[1], self.target(first))}

    def after_step(self) -> None:
        """Let the target follow."""
        self.target.follow(self)
