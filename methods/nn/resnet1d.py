"""One-dimensional ResNet-18/34 as MERL pre-trains it: a 7-sample stem, no max-pooling, four stages.

Liu et al., "Zero-Shot ECG Classification with Multimodal Learning and Test-time Clinical Knowledge
Enhancement", ICML 2024; parameters carry the names of the official checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.encoder import Encoder

DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}  # basic blocks in each stage
MINIMUM_WIDTH = 8  # with fewer, the backward pass of torch 2.13's channels-last convolutions corrupts the heap (AVX2)


class Conv(nn.Conv1d):
    """A `Conv1d` by its parameters, computed as ``Conv2d`` over ``(batch, channel, 1, time)``.

    oneDNN is about a quarter faster on channels-last images of height 1 than on ``(batch, channel, time)``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, 1, time)`` to ``(batch, channel', 1, time')``."""
        return F.conv2d(x, self.weight.unsqueeze(2), self.bias, (1, self.stride[0]), (0, int(self.padding[0])))


class Norm(nn.BatchNorm1d):
    """A `BatchNorm1d` that also accepts ``(batch, channel, 1, time)``."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


class BasicBlock(nn.Module):
    """Two 3-sample convolutions and a shortcut (1 x 1 convolution where the shape changes)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = Norm(outputs)
        self.conv2 = Conv(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = Norm(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(Conv(inputs, outputs, 1, stride, bias=False), Norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        # in place, since no backward pass needs the output of a batch norm
        """Map ``(batch, channel, 1, time)`` to ``(batch, channel', 1, time')``."""
        y = F.relu_(self.bn1(self.conv1(x)))
        return F.relu_(self.bn2(self.conv2(y)).add_(self.shortcut(x)))


class ResNet1D(Encoder):
    """Feature maps of ``8 * width`` channels, one step for 16 samples (official width: 64).

    `classes` is the size of the official classes' output layer ``linear``, which pre-training never uses; 0 leaves it
    out. Raises ValueError for an unknown `encoder` or a width below `MINIMUM_WIDTH`. The weights may have another
    precision than the recordings; the feature map has that of the recordings.
    """

    def __init__(self, encoder: str = "resnet18", width: int = 64, leads: int = 12, classes: int = 10) -> None:
        super().__init__()
        if encoder not in DEPTHS:
            raise ValueError(f"encoder = {encoder!r} is unknown (known: {', '.join(DEPTHS)})")
        if width < MINIMUM_WIDTH:
            raise ValueError(f"a ResNet-1D has width {MINIMUM_WIDTH} or more, not {width}")
        self.channels = 8 * width
        self.conv1 = Conv(leads, width, 7, 2, 3, bias=False)
        self.bn1 = Norm(width)
        first, second, third, fourth = DEPTHS[encoder]
        self.layer1 = _stage(first, width, width, 1)
        self.layer2 = _stage(second, width, 2 * width, 2)
        self.layer3 = _stage(third, 2 * width, 4 * width, 2)
        self.layer4 = _stage(fourth, 4 * width, 8 * width, 2)
        if classes:
            self.linear = nn.Linear(self.channels, classes)

    def forward(self, ecg: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to a feature map ``(batch, 8 * width, count_steps(time))``."""
        x = ecg.to(self.conv1.weight.dtype).unsqueeze(2).contiguous(memory_format=self._layout)
        x = F.relu_(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        if x.requires_grad and self._layout == torch.channels_last:
            x.register_hook(_channels_last)
        return x.squeeze(2).to(ecg.dtype)

    @property
    def _layout(self) -> torch.memory_format:
        """Channels last, but for a backward pass of 8 channels: there torch 2.13 crashes with AVX-512."""
        trains = torch.is_grad_enabled() and any(weight.requires_grad for weight in self.parameters())
        narrow = self.channels == 8 * MINIMUM_WIDTH
        return torch.contiguous_format if trains and narrow else torch.channels_last


def count_steps(samples: int) -> int:
    """Return how many steps the feature map of `samples` samples has: halved and rounded up, four times."""
    for _ in range(4):
        samples = (samples + 1) // 2
    return samples


def _stage(blocks: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    rest = (BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1))
    return nn.Sequential(BasicBlock(inputs, outputs, stride), *rest)


def _channels_last(gradient: Tensor) -> Tensor:
    """Keep the backward pass in one layout: the gradient of a mean over time arrives in another one."""
    return gradient.contiguous(memory_format=torch.channels_last)
