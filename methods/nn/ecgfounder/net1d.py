"""Net1D without batch norms, as ECGFounder uses it: bottleneck blocks with grouped convolutions and channel gates.

Hong et al., "HOLMES: Health OnLine Model Ensemble Serving for Deep Learning Models in Intensive Care Units", KDD 2020
(the architecture); Li et al., "An Electrocardiogram Foundation Model Built on over 10 Million Recordings", NEJM AI
2025 (the sizes). Parameters carry the names of the official checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

FILTERS = (64, 160, 160, 400, 400, 1024, 1024)  # channels of each stage, which halves the length
BLOCKS = (2, 2, 2, 3, 3, 4, 4)
KERNEL, GROUP = 16, 16  # samples of a convolution; channels of a group


class SameConv(nn.Module):
    """A convolution with ``ceil(time / stride)`` output steps; an odd sample of padding goes to the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to ``(batch, channel', ceil(time / stride))``."""
        (kernel,), (stride,), time = self.conv.kernel_size, self.conv.stride, x.shape[-1]
        missing = max(0, (-(-time // stride) - 1) * stride + kernel - time)
        return self.conv(F.pad(x, (missing // 2, missing - missing // 2)))


class GatedBlock(nn.Module):
    """Convolutions 1 x 1, grouped, 1 x 1; then a gate, computed from the mean of all channels, scales each channel."""

    def __init__(self, inputs: int, outputs: int, stride: int, first: bool) -> None:
        super().__init__()
        self.stride, self.first = stride, first
        self.conv1 = SameConv(inputs, outputs)
        self.conv2 = SameConv(outputs, outputs, KERNEL, stride, outputs // GROUP)
        self.conv3 = SameConv(outputs, outputs)
        self.se_fc1, self.se_fc2 = nn.Linear(outputs, outputs // 2), nn.Linear(outputs // 2, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to ``(batch, channel', ceil(time / stride))``."""
        y = self.conv1(x if self.first else F.silu(x))  # the very first block follows an activation
        y = self.conv3(F.silu(self.conv2(F.silu(y))))
        gate = self.se_fc2(F.silu(self.se_fc1(y.mean(-1)))).sigmoid()
        return y * gate.unsqueeze(-1) + self._shortcut(x, y.shape[1])

    def _shortcut(self, x: Tensor, channels: int) -> Tensor:
        """Max-pool where the length changes, and pad with silent channels at both ends where their number changes."""
        if self.stride > 1:
            x = F.max_pool1d(F.pad(x, ((self.stride - 1) // 2, self.stride // 2)), self.stride)
        more = channels - x.shape[1]
        return F.pad(x, (0, 0, more // 2, more - more // 2)) if more else x


class Stage(nn.Module):
    """Blocks of one width; the first of them halves the length."""

    def __init__(self, inputs: int, outputs: int, blocks: int, first: bool) -> None:
        super().__init__()
        self.block_list = nn.ModuleList(
            GatedBlock(outputs if index else inputs, outputs, 1 if index else 2, first and not index)
            for index in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to ``(batch, channel', ceil(time / 2))``."""
        for block in self.block_list:
            x = block(x)
        return x


class Net1D(nn.Module):
    """Feature maps of ``filters[-1]`` channels, one step for ``2 ** (1 + len(filters))`` samples.

    Raises ValueError for filters that are no multiples of `GROUP`, or not as many as `blocks`.
    """

    def __init__(
        self, leads: int = 12, filters: Sequence[int] = FILTERS, blocks: Sequence[int] = BLOCKS, stem: int = 64
    ) -> None:
        super().__init__()
        if len(filters) != len(blocks) or any(width % GROUP for width in filters):
            raise ValueError(f"filters {filters} must be multiples of {GROUP}, one for each of blocks {blocks}")
        self.channels = filters[-1]
        self.first_conv = SameConv(leads, stem, KERNEL, 2)
        widths = (stem, *filters)
        self.stage_list = nn.ModuleList(
            Stage(widths[index], widths[index + 1], depth, index == 0) for index, depth in enumerate(blocks)
        )

    def forward(self, ecg: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to ``(batch, channel, steps)``."""
        x = F.silu(self.first_conv(ecg))
        for stage in self.stage_list:
            x = stage(x)
        return x
