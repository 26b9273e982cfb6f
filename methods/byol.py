"""BYOL: self-supervised learning by predicting a momentum copy's projection of the other view (Grill et al., 2020).

Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, arXiv 2006.07733. It needs no negatives.
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
    """Projector and predictor of two layers, and a target network that follows with `momentum`.

    The momentum is constant here; the paper raises it to 1.

    `crop_seconds`, `gain`, `time_out`, `noise` and `lead_drop` are the augmentations of the views (see
    `methods.nn.augment`). The paper is about photographs, so these are the project's own.
    """

    needs_reports = False
    card: ClassVar[MethodCard] = MethodCard(
        title="BYOL",
        paper="Grill et al., NeurIPS 2020 (arXiv 2006.07733)",
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
        outputs: int = 128,
        momentum: float = 0.99,
    ) -> None:
        augmentation = Augmentation(round(crop_seconds * rate), gain, time_out, noise, lead_drop)
        signal = SignalSpec(rate, seconds, scaling=scaling)
        super().__init__(signal, encoder, width, augmentation, build_mlp(8 * width, hidden, outputs))
        self.predictor = build_mlp(outputs, hidden, outputs)
        self.target = MomentumCopy(self, momentum)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error of unit vectors, each view predicting the other (``byol``)."""
        first, second = self.views(batch.ecg)
        online = self.predictor(self.project(first)), self.predictor(self.project(second))
        return {"byol": byol_loss(online[0], self.target(second)) + byol_loss(online[1], self.target(first))}

    def after_step(self) -> None:
        """Move the target network towards the trained one."""
        self.target.follow(self)
