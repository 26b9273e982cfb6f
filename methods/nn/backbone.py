"""What all methods on a ResNet-1D share: the encoder, its features, its tokens and its form for inference.

The encoder is MERL's (Liu et al., ICML 2024), so that methods differ in what taught them and in nothing else.
"""

from __future__ import annotations

from typing import Any, Self

from torch import Tensor, nn

from methods.nn.fold import inference_copy
from methods.nn.resnet1d import ResNet1D


class ResNetBackbone(nn.Module):
    """A ResNet-1D under the name ``ecg_encoder``; `signal` is the method's own SignalSpec.

    Raises ValueError for an unknown encoder or a width that is too small.
    """

    precisions = ("fp32", "bf16")

    def __init__(self, signal: Any, encoder: str, width: int) -> None:
        super().__init__()
        self._signal = signal
        self.ecg_encoder = ResNet1D(encoder, width, len(signal.leads), classes=0)

    @property
    def signal(self) -> Any:
        """Millivolt in the standard lead order unless configured otherwise."""
        return self._signal

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Mean over time of the last stage: ``(batch, lead, time)`` -> ``(batch, 8 * width)``."""
        return self.ecg_encoder(ecg).mean(-1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """The last stage step by step: ``(batch, lead, time)`` -> ``(batch, steps, 8 * width)``."""
        return self.ecg_encoder(ecg).transpose(1, 2)

    def for_inference(self, precision: str) -> Self:
        """A copy with folded batch norms, its encoder in `precision`."""
        return inference_copy(self, precision)
