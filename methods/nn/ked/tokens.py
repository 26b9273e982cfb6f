"""KED's encoder: XResNet-1D-101 whose stages differ in width, without its output layer.

Tian et al., Cell Reports Medicine 2024. Blocks are those of `methods.nn.xresnet1d`.
"""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.encoder import Encoder
from methods.nn.xresnet1d import DEPTHS, EXPANSION, STEM, Bottleneck, ConvNorm

KERNEL = 5
ALIAS = re.compile(r"\d+\.\d+\.convpath\.")  # every branch is registered twice
SHORTCUT = re.compile(r"idpath\.[01]\.")  # second where a pooling layer comes first


class TokenXResNet(Encoder):
    """Feature maps of four times the last of `widths`, one step for 32 samples; published: 768 channels."""

    def __init__(self, leads: int, widths: tuple[int, ...], depths: tuple[int, ...] = DEPTHS["xresnet1d101"]) -> None:
        super().__init__()
        sizes = (leads, *STEM)
        self.stem = nn.Sequential(
            *(ConvNorm(sizes[i], sizes[i + 1], KERNEL, stride=1 if i else 2) for i in range(len(STEM)))
        )
        inputs, stages = STEM[-1], []
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = []
            for block in range(depth):
                blocks.append(Bottleneck(inputs, width, 2 if stage and not block else 1, KERNEL))
                inputs = EXPANSION * width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)

    def forward(self, ecg: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to ``(batch, channel, step)``."""
        x = ecg.to(next(self.parameters()).dtype).unsqueeze(2).contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(self.stem(x), (1, 3), (1, 2), (0, 1))
        return self.stages(x).squeeze(2).to(ecg.dtype)


def our_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the entries of the official sequence ``0`` to ``7``, and drop those that stand twice."""
    return {_our_name(name): value for name, value in state.items() if not ALIAS.match(name)}


def _our_name(name: str) -> str:
    position, _, rest = name.partition(".")
    if not position.isdecimal():
        return name  # unknown here: loading refuses it by this name
    number = int(position)
    if number < len(STEM):
        return f"stem.{number}.{rest}"
    return f"stages.{number - len(STEM) - 1}.{SHORTCUT.sub('shortcut.', rest)}"
