"""MoCo v3: self-supervised learning that matches each view with a momentum copy's key of the other (Chen et al., 2021).

Chen, Xie & He, "An Empirical Study of Training Self-Supervised Vision Transformers", ICCV 2021, arXiv 2104.02057. The
other keys of the batch are the negatives.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from benchmark.api import Batch, MethodCard, Scaling, SequenceMethod, SignalSpec, TrainableMethod
from benchmark.registry import METHODS
from methods.nn.augment import Augmentation
from methods.nn.two_views import MomentumCopy, TwoViews, build_mlp, moco_loss


@METHODS.register("moco_v3")
class MoCoV3(TwoViews, SequenceMethod, TrainableMethod):
    """Projector and predictor of two layers, and a momentum copy that follows with `momentum`.

    The momentum is constant here; the paper raises it to 1.

    `crop_seconds`, `gain`, `time_out`, `noise` and `lead_drop` are the augmentations of the views (see
    `methods.nn.augment`). The paper is about photographs, so these are the project's own.
    """

    needs_reports = False
    smallest_batch = 2
    card: ClassVar[MethodCard] = MethodCard(
        title="MoCo v3",
        paper="Chen et al., ICCV 2021 (arXiv 2104.02057)",
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
        temperature: float = 0.2,
    ) -> None:
        augmentation = Augmentation(round(crop_seconds * rate), gain, time_out, noise, lead_drop)
        signal = SignalSpec(rate, seconds, scaling=scaling)
        super().__init__(signal, encoder, width, augmentation, build_mlp(8 * width, hidden, outputs, last_norm=True))
        self.predictor = build_mlp(outputs, hidden, outputs, last_norm=True)
        self.temperature = temperature
        self.target = MomentumCopy(self, momentum)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return InfoNCE of queries and keys, in both directions (``moco``)."""
        first, second = self.views(batch.ecg)
        queries = self.predictor(self.project(first)), self.predictor(self.project(second))
        forwards = moco_loss(queries[0], self.target(second), self.temperature)
        backwards = moco_loss(queries[1], self.target(first), self.temperature)
        return {"moco": forwards + backwards}

    def after_step(self) -> None:
        """Move the momentum copy towards the trained network."""
        self.target.follow(self)
