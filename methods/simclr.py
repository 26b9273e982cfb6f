"""SimCLR: self-supervised contrast of two views of a recording with all other recordings (Chen et al., ICML 2020).

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020, arXiv 2002.05709.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from benchmark.api import Batch, MethodCard, Scaling, SequenceMethod, SignalSpec, TrainableMethod
from benchmark.registry import METHODS
from methods.nn.augment import Augmentation
from methods.nn.two_views import TwoViews, build_mlp, nt_xent_loss


@METHODS.register("simclr")
class SimCLR(TwoViews, SequenceMethod, TrainableMethod):
    """NT-Xent on the output of a two-layer projector.

    `crop_seconds`, `gain`, `time_out`, `noise` and `lead_drop` are the augmentations of the views (see
    `methods.nn.augment`). The paper is about photographs, so these are the project's own.
    """

    needs_reports = False
    smallest_batch = 2
    card: ClassVar[MethodCard] = MethodCard(
        title="SimCLR",
        paper="Chen et al., ICML 2020 (arXiv 2002.05709)",
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
        temperature: float = 0.1,
    ) -> None:
        augmentation = Augmentation(round(crop_seconds * rate), gain, time_out, noise, lead_drop)
        signal = SignalSpec(rate, seconds, scaling=scaling)
        super().__init__(signal, encoder, width, augmentation, build_mlp(8 * width, hidden, outputs))
        self.temperature = temperature

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the normalised temperature-scaled cross-entropy (``nt_xent``)."""
        first, second = self.views(batch.ecg)
        return {"nt_xent": nt_xent_loss(self.project(first), self.project(second), self.temperature)}
