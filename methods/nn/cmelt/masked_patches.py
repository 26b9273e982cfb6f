"""Masked auto-encoding (He et al., CVPR 2022) of a recording: encode few patches, reconstruct the others."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.attention import multi_head_attention


class VisiblePatches(NamedTuple):
    """The patches that the encoder receives."""

    order: Tensor  # (batch, visible), positions of the visible patches, in random order
    restore: Tensor  # (batch, patch), position of each patch in (visible, then hidden)

    @property
    def hidden(self) -> Tensor:
        """Which patches are hidden, ``(batch, patch)`` bool."""
        return self.restore >= self.order.shape[1]

    def select(self, patches: Tensor) -> Tensor:
        """Select the visible patches: ``(batch, patch, width)`` -> ``(batch, visible, width)``."""
        return patches.gather(1, self.order.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))


def draw_visible_patches(batch: int, patches: int, ratio: float, device: torch.device | None = None) -> VisiblePatches:
    """Hide the share `ratio` of each recording's patches; drawn from torch's CPU generator on every device."""
    order = torch.rand(batch, patches).argsort(1)
    count = max(1, int(patches * (1 - ratio)))
    return VisiblePatches(order[:, :count].to(device), order.argsort(1).to(device))


def patch_targets(ecg: Tensor, patches: int, patch: int) -> Tensor:
    """Return the patches to reconstruct: ``(batch, lead, time)`` -> ``(batch, patch, lead, sample)``.

    Each lead of a recording is standardised over its whole length.
    """
    ecg = ecg[..., : patches * patch]
    ecg = ecg - ecg.mean(-1, keepdim=True)
    ecg = ecg / (ecg.square().sum(-1, keepdim=True) / (ecg.shape[-1] - 1) + 1e-6).sqrt()
    return ecg.unflatten(-1, (patches, patch)).transpose(1, 2)


def reconstruction_loss(prediction: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Return the mean squared error over hidden patches; 0 where nothing is hidden.

    `prediction` and `target` are ``(batch, patch, lead, sample)``, `hidden` ``(batch, patch)`` bool.
    """
    errors = (prediction.float() - target).square().mean((2, 3))
    # a product and not a selection, whose size would have to be read from a GPU
    return (errors * hidden).sum() / hidden.sum().clamp(min=1)


class PatchDecoder(nn.Module):
    """A decoder from states of a class token and the visible patches to all patches ``(batch, patch, lead, sample)``.

    A pre-norm transformer of its own width with sinusoidal positions, as C-MELT builds it.
    """

    def __init__(self, inputs: int, width: int, depth: int, heads: int, patches: int, patch: int, leads: int) -> None:
        super().__init__()
        self.shape = (leads, patch)
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.decoder_embed = nn.Linear(inputs, width)
        self.decoder_pos_embed = SinusoidalPositions(max(512, patches + 1), width)
        self.decoder = Transformer(width, depth, heads)
        self.decoder_norm = nn.LayerNorm(width)
        self.decoder_pred = nn.Linear(width, leads * patch)

    def forward(self, states: Tensor, visible: VisiblePatches) -> Tensor:
        """Map states ``(batch, 1 + visible, inputs)`` to ``(batch, patch, lead, sample)``."""
        x = self.decoder_embed(states)
        gaps = self.mask_token.expand(len(x), visible.restore.shape[1] - visible.order.shape[1], -1).to(x.dtype)
        patches = torch.cat([x[:, 1:], gaps], 1)
        patches = patches.gather(1, visible.restore.unsqueeze(-1).expand_as(patches))
        x = self.decoder(self.decoder_pos_embed(torch.cat([x[:, :1], patches], 1)))
        return self.decoder_pred(self.decoder_norm(x)[:, 1:]).unflatten(-1, self.shape)


class Transformer(nn.Module):
    """Blocks one after the other, under the official name ``resblocks``."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape."""
        for block in self.resblocks:
            x = block(x)
        return x


class SinusoidalPositions(nn.Module):
    """Fixed positions with alternating sines and cosines, added to a sequence."""

    pe: Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        time = torch.arange(length).unsqueeze(1)
        angles = time * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        self.register_buffer("pe", torch.stack([angles.sin(), angles.cos()], -1).flatten(1).unsqueeze(0))

    def forward(self, x: Tensor) -> Tensor:
        """Add the positions to ``(batch, token, width)``."""
        return x + self.pe[:, : x.shape[1]]


class Block(nn.Module):
    """CLIP's transformer block: pre-norm attention and feed-forward with QuickGELU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape."""
        normed = self.ln_1(x)
        x = x + multi_head_attention(self.attn, normed, normed)
        hidden = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](F.silu(1.702 * hidden) / 1.702)  # QuickGELU, h * sigmoid(1.702 h)
