"""Base class of all methods on a ResNet-1D: the encoder, its features, its tokens and its form for inference.

The encoder is MERL's (Liu et al., ICML 2024), so that these methods differ in their training alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from torch import Tensor, nn

from methods.nn.fold import copy_for_inference
from methods.nn.resnet1d import ResNet1D

if TYPE_CHECKING:
    from benchmark.api import SignalSpec


class ResNetBackbone(nn.Module):
    """A ResNet-1D under the name ``ecg_encoder``; `signal` is the method's own SignalSpec.

    Raises ValueError for an unknown encoder or a width that is too small.
    """

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16")

    def __init__(self, signal: SignalSpec, encoder: str, width: int) -> None:
        super().__init__()
        self._signal = signal
        self.ecg_encoder = ResNet1D(encoder, width, len(signal.leads), classes=0)

    @property
    def signal(self) -> SignalSpec:
        """Millivolt in the standard lead order unless configured otherwise."""
        return self._signal

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the last stage's mean over time: ``(batch, lead, time)`` -> ``(batch, 8 * width)``."""
        return self.ecg_encoder(ecg).mean(-1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return the steps of the last stage: ``(batch, lead, time)`` -> ``(batch, steps, 8 * width)``."""
        return self.ecg_encoder(ecg).transpose(1, 2)

    def for_inference(self, precision: str) -> Self:
        """Return a copy with folded batch norms and the encoder in `precision`."""
        return copy_for_inference(self, precision)
