"""MoCo v3: find the key that a slow copy made of the other view among the keys of the batch.

Chen, Xie & He, "An Empirical Study of Training Self-Supervised Vision Transformers", ICCV 2021, arXiv 2104.02057.
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
    """Projector and predictor of two layers; the copy follows by `momentum` (constant; the paper raises it to 1).

    `crop_seconds`, `gain`, `time_out`, `noise` and `lead_drop` make the views (see `methods.nn.augment`); the paper is
    about photographs, so they are ours.
    """

    needs_reports = False
    card: ClassVar[MethodCard] = MethodCard(
        title="MoCo v3",
        paper="Chen et al., ICCV 2021 (arXiv 2104.02057)",
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
        temperature: float = 0.2,
    ) -> None:
        augmentation = Augmentation(round(crop_seconds * rate), gain, time_out, noise, lead_drop)
        signal = SignalSpec(rate, seconds, scaling=scaling)
        super().__init__(signal, encoder, width, augmentation, build_mlp(8 * width, hidden, outputs, last_norm=True))
        self.predictor = build_mlp(outputs, hidden, outputs, last_norm=True)
        self.temperature = temperature
        self.target = MomentumCopy(self, momentum)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE of queries and keys, both ways (``moco``)."""
        first, second = self.views(batch.ecg)
        queries = self.predictor(self.project(first)), self.predictor(self.project(second))
        keys = self.target(second), self.target(first)
        return {"moco": sum(moco_loss(q, k, self.temperature) for q, k in zip(queries, keys, strict=True))}

    def after_step(self) -> None:
        """Let the copy follow."""
        self.target.follow(self)
