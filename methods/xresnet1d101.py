"""xresnet1d101: the supervised reference of PTB-XL's own benchmark (Strodthoff et al., IEEE JBHI 2021).

Strodthoff et al., "Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL", IEEE JBHI 2021, arXiv
2004.13701.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from benchmark.api import MethodCard, Scaling, SignalSpec, SupervisedMethod
from benchmark.registry import METHODS
from methods.nn.fold import copy_for_inference
from methods.nn.supervision import Supervision, count_crop_samples
from methods.nn.xresnet1d import XResNet1D, concat_pool, concat_pool_head


@METHODS.register("xresnet1d101")
class XResNet1D101(Supervision, SupervisedMethod):
    """Trained end to end on random crops of `crop_seconds`; the score of a recording is the mean over its crops.

    `encoder` is xresnet1d101 or xresnet1d50, `width` the channels of a bottleneck (published: 64).
    """

    precisions = ("fp32", "bf16")
    card: ClassVar[MethodCard] = MethodCard(
        title="xresnet1d101",
        paper="Strodthoff et al., IEEE JBHI 2021 (arXiv 2004.13701)",
        licence="MIT",
        note=(
            "Re-implementation. As published: encoder, head, 100 Hz, crops of 2.5 s. Not as published: millivolt "
            "instead of standardisation by the dataset, the harness's AdamW schedule, logits averaged over crops."
        ),
    )

    def __init__(
        self,
        encoder: str = "xresnet1d101",
        width: int = 64,
        rate: float = 100.0,
        seconds: float = 10.0,
        scaling: Scaling = "millivolt",
        crop_seconds: float = 2.5,
        hidden: int = 128,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self._signal = SignalSpec(rate, seconds, scaling=scaling)
        self.crop = count_crop_samples(crop_seconds, seconds, rate) or self._signal.samples
        self.hidden, self.dropout = hidden, dropout
        self.ecg_encoder = XResNet1D(encoder, width, len(self._signal.leads))

    @property
    def signal(self) -> SignalSpec:
        """Officially 10 s at 100 Hz."""
        return self._signal

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return maximum and mean over time, mean over crops: ``(batch, lead, time)`` -> ``(batch, 8 * width)``."""
        return self._mean_over_crops(ecg, self._pool)

    def class_scores(self, ecg: Tensor) -> Tensor:
        """Return logits, mean over crops: ``(batch, lead, time)`` -> ``(batch, class)``."""
        head = self.require_head()
        return self._mean_over_crops(ecg, lambda crops: head(self._pool(crops)))

    def output_layer(self, classes: int) -> nn.Module:
        """Build the benchmark's head on the pooled features."""
        return concat_pool_head(2 * self.ecg_encoder.channels, self.hidden, classes, self.dropout)

    def for_inference(self, precision: str) -> XResNet1D101:
        """Return a copy with folded batch norms and the encoder in `precision`."""
        return copy_for_inference(self, precision)

    def _pool(self, crops: Tensor) -> Tensor:
        """Pool crops ``(crop, lead, time)`` to ``(crop, 8 * width)``."""
        return concat_pool(self.ecg_encoder(crops))

    def _mean_over_crops(self, ecg: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the mean of `function` over adjacent crops; samples after the last whole crop are ignored."""
        crops = ecg.unfold(-1, self.crop, self.crop)  # (batch, lead, number, crop)
        number = crops.shape[2]
        flat = crops.transpose(1, 2).flatten(0, 1)  # (batch * number, lead, crop)
        return function(flat).unflatten(0, (-1, number)).mean(1)
