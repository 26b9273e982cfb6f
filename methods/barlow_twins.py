"""Barlow Twins: self-supervised learning that makes two views agree in decorrelated coordinates (Zbontar et al., 2021).

Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021, arXiv 2103.03230.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from benchmark.api import Batch, MethodCard, Scaling, SequenceMethod, SignalSpec, TrainableMethod
from benchmark.registry import METHODS
from methods.nn.augment import Augmentation
from methods.nn.two_views import TwoViews, barlow_twins_loss, build_mlp


@METHODS.register("barlow_twins")
class BarlowTwins(TwoViews, SequenceMethod, TrainableMethod):
    """Loss on the cross-correlation of a three-layer projector's standardised outputs.

    `off_diagonal` is the paper's lambda, and `scale` multiplies the loss.

    `crop_seconds`, `gain`, `time_out`, `noise` and `lead_drop` are the augmentations of the views (see
    `methods.nn.augment`). The paper is about photographs, so these are the project's own.
    """

    needs_reports = False
    smallest_batch = 2
    card: ClassVar[MethodCard] = MethodCard(
        title="Barlow Twins",
        paper="Zbontar et al., ICML 2021 (arXiv 2103.03230)",
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
        hidden: int = 1024,
        outputs: int = 1024,
        off_diagonal: float = 5e-3,
        scale: float = 0.1,
    ) -> None:
        augmentation = Augmentation(round(crop_seconds * rate), gain, time_out, noise, lead_drop)
        projector = build_mlp(8 * width, hidden, outputs, layers=3, last_norm=True)
        super().__init__(SignalSpec(rate, seconds, scaling=scaling), encoder, width, augmentation, projector)
        self.off_diagonal, self.scale = off_diagonal, scale

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the redundancy-reduction loss (``barlow``), times `scale`."""
        first, second = self.views(batch.ecg)
        return {"barlow": self.scale * barlow_twins_loss(self.project(first), self.project(second), self.off_diagonal)}
