"""ESI's encoder: a ConvNeXt V2 in one dimension, with two norms that are not what their names say.

Yu et al., TMLR 2024, after Woo et al., "ConvNeXt V2", CVPR 2023. Parameter names are those of the release. Its
"channels first" norm works over time, channel by channel, and the response norm of its blocks over time as well.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-6
STEM, DOWN = 4, 2  # kernel and stride of the first convolution, and of those between stages


class TimeNorm(nn.Module):
    """Standardises each channel over time, by the unbiased deviation, then scales and shifts it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to the same shape."""
        deviation = x.std(-1, keepdim=True)
        return self.weight * (x - x.mean(-1, keepdim=True)) / (deviation + EPSILON) + self.bias


class ResponseNorm(nn.Module):
    """ConvNeXt V2's global response norm: each channel by its length over time, relative to that of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, time, channel)`` to the same shape."""
        length = x.norm(dim=1, keepdim=True)
        return self.gamma * (x * length / (length.mean(-1, keepdim=True) + EPSILON)) + self.beta + x


class Block(nn.Module):
    """A depthwise convolution over seven steps, then a wide layer per step, with its residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = ResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to the same shape."""
        y = self.norm(self.dwconv(x).transpose(1, 2))
        y = self.pwconv2(self.grn(F.gelu(self.pwconv1(y))))
        return x + y.transpose(1, 2)


class ConvNeXt1D(nn.Module):
    """A stem and four stages; published: 3, 3, 27 and 3 blocks of 128, 256, 512 and 1,024 channels."""

    def __init__(self, leads: int, channels: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv1d(leads, channels[0], STEM, STEM), TimeNorm(channels[0]))
        between = [
            nn.Sequential(TimeNorm(narrow), nn.Conv1d(narrow, wide, DOWN, DOWN)) for narrow, wide in pairwise(channels)
        ]
        self.downsample_layers = nn.ModuleList([stem, *between])
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth))) for width, depth in zip(channels, blocks, strict=True)
        )
        self.norm = nn.LayerNorm(channels[-1], eps=EPSILON)
        self.apply(_initialise)

    def forward(self, ecg: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to ``(batch, channel, step)``, a step for 32 samples, before the last norm."""
        for down, stage in zip(self.downsample_layers, self.stages, strict=True):
            ecg = stage(down(ecg))
        return ecg


class ScaleOnlyNorm(nn.Module):
    """A layer norm with a scale; its shift is stored and stays 0."""

    beta: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.register_buffer("beta", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, width)`` to the same shape."""
        return F.layer_norm(x, x.shape[-1:], self.gamma, self.beta)


def project(width: int, latents: int) -> nn.Sequential:
    """Build the projection into the shared space, without a bias, under its official name ``to_latents``."""
    return nn.Sequential(OrderedDict(to_latents=nn.Linear(width, latents, bias=False)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv1d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
