"""XResNet-1D as PTB-XL's benchmark trains it: a stem of three convolutions, then bottlenecks of constant width.

Strodthoff et al., "Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL", IEEE JBHI 2021, arXiv
2004.13701, after He et al., "Bag of Tricks for Image Classification", CVPR 2019.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.batch_norm import BatchNorm
from methods.nn.encoder import Encoder
from methods.nn.resnet1d import Conv, Norm

DEPTHS = {"xresnet1d50": (3, 4, 6, 3), "xresnet1d101": (3, 4, 23, 3)}  # bottlenecks in each stage
EXPANSION = 4
STEM = (32, 32, 64)


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and, with `relu`, a ReLU.

    With `zero` the norm starts at 0, so that its branch adds nothing at the start of training.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, relu: bool = True, zero: bool = False
    ) -> None:
        conv = Conv(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        norm = Norm(outputs)
        nn.init.kaiming_normal_(conv.weight)
        if zero:
            nn.init.zeros_(norm.weight)
        super().__init__(conv, norm, *([nn.ReLU(inplace=True)] if relu else []))


class Bottleneck(nn.Module):
    """Convolutions 1 x 1, `kernel` wide with the stride, 1 x 1; the shortcut averages before it changes channels."""

    def __init__(self, inputs: int, width: int, stride: int, kernel: int) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.stride = stride
        self.convs = nn.Sequential(
            ConvNorm(inputs, width, 1),
            ConvNorm(width, width, kernel, stride),
            ConvNorm(width, outputs, 1, relu=False, zero=True),
        )
        self.shortcut = ConvNorm(inputs, outputs, 1, relu=False) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, 1, time)`` to ``(batch, 4 * width, 1, time / stride)``."""
        same = x if self.stride == 1 else F.avg_pool2d(x, (1, 2), ceil_mode=True)
        return F.relu_(self.convs(x) + self.shortcut(same))


class XResNet1D(Encoder):
    """Feature maps of ``4 * width`` channels, one step for 32 samples; the published width is 64 in every stage.

    Raises ValueError for an unknown `encoder`.
    """

    def __init__(self, encoder: str = "xresnet1d101", width: int = 64, leads: int = 12, kernel: int = 5) -> None:
        super().__init__()
        if encoder not in DEPTHS:
            raise ValueError(f"encoder = {encoder!r} is unknown (known: {', '.join(DEPTHS)})")
        self.channels = EXPANSION * width
        sizes = (leads, *STEM)
        self.stem = nn.Sequential(
            *(ConvNorm(sizes[i], sizes[i + 1], kernel, stride=2 if i == 0 else 1) for i in range(len(STEM)))
        )
        blocks: list[nn.Module] = []
        inputs = STEM[-1]
        for stage, depth in enumerate(DEPTHS[encoder]):
            for block in range(depth):
                blocks.append(Bottleneck(inputs, width, 2 if stage and not block else 1, kernel))
                inputs = self.channels
        self.blocks = nn.Sequential(*blocks)

    def forward(self, ecg: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to ``(batch, 4 * width, steps)`` in the recordings' precision."""
        x = ecg.to(next(self.parameters()).dtype).unsqueeze(2).contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(self.stem(x), (1, 3), (1, 2), (0, 1))
        return self.blocks(x).squeeze(2).to(ecg.dtype)


def concat_pool(maps: Tensor) -> Tensor:
    """Return maximum and mean over time: ``(batch, channel, time)`` -> ``(batch, 2 * channel)``."""
    return torch.cat([maps.amax(-1), maps.mean(-1)], dim=-1)


def concat_pool_head(inputs: int, hidden: int, classes: int, dropout: float) -> nn.Sequential:
    """Build the benchmark's output layers: norm, half the dropout, linear, ReLU, norm, dropout, linear."""
    head = nn.Sequential(
        BatchNorm(inputs), nn.Dropout(dropout / 2), nn.Linear(inputs, hidden), nn.ReLU(inplace=True),
        BatchNorm(hidden), nn.Dropout(dropout), nn.Linear(hidden, classes),
    )  # fmt: skip
    for layer in head:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return head
