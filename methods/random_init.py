"""Random init: baseline with the features of a frozen ResNet-1D with random weights.

The encoder is MERL's (Liu et al., ICML 2024), whose paper compares with "Random Init" as well. Pre-training is worth
the difference from this baseline.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from benchmark.api import MethodCard, Scaling, SequenceMethod, SignalSpec
from benchmark.registry import METHODS
from methods.nn.backbone import ResNetBackbone


@METHODS.register("random_init")
class RandomInit(ResNetBackbone, SequenceMethod):
    """A random encoder that is never trained.

    The weights follow from `seed` alone, whatever the state of torch's generator; the harness seeds it from the same
    field. Batch normalisation keeps its initial statistics (mean 0, variance 1).
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="Random initialisation",
        paper="baseline; encoder of MERL: Liu et al., ICML 2024 (PMLR v235 liu24bg)",
        is_baseline=True,
        licence="MIT",
        note="Untrained: any method should beat it by more than its confidence interval.",
    )

    def __init__(
        self,
        encoder: str = "resnet18",
        width: int = 64,
        rate: float = 500.0,
        seconds: float = 10.0,
        scaling: Scaling = "millivolt",
        seed: int = 0,
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            super().__init__(SignalSpec(rate, seconds, scaling=scaling), encoder, width)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> RandomInit:
        """Stay in eval mode: running statistics would otherwise follow the data."""
        return super().train(False)
