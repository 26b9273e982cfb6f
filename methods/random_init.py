"""The floor: features of a frozen ResNet-1D with random weights; what pre-training adds is what beats it.

The encoder is MERL's (Liu et al., ICML 2024), whose paper compares with "Random Init" as well.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.api import Method, MethodCard, Scaling, SignalSpec
from benchmark.errors import UsageError, did_you_mean
from benchmark.registry import METHODS
from methods.nn.resnet1d import DEPTHS, ResNet1D


@METHODS.register("random_init")
class RandomInit(nn.Module, Method):
    """A random encoder that never learns.

    The weights follow from `seed` alone, whatever the state of torch's generator; the harness seeds it
    from the same field. Batch normalisation keeps its initial statistics (mean 0, variance 1).
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="Random initialisation",
        paper="floor; encoder of MERL: Liu et al., ICML 2024 (PMLR v235 liu24bg)",
        floor=True,
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
        super().__init__()
        if encoder not in DEPTHS:
            raise UsageError(f"random_init: encoder = {encoder!r} is unknown{did_you_mean(encoder, DEPTHS)}")
        self._signal = SignalSpec(rate, seconds, scaling=scaling)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.ecg_encoder = ResNet1D(encoder, width, len(self._signal.leads), classes=0)
        self.requires_grad_(False).eval()

    @property
    def signal(self) -> SignalSpec:
        """Millivolt in the standard lead order unless configured otherwise."""
        return self._signal

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Mean over time of the last stage: ``(batch, lead, time)`` -> ``(batch, 8 * width)``."""
        return self.ecg_encoder(ecg).mean(-1)

    def train(self, mode: bool = True) -> RandomInit:
        """Stay frozen: running statistics would otherwise follow the data."""
        return super().train(False)
