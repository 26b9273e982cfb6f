"""Masked auto-encoding (He et al., CVPR 2022) of a recording: encode few patches, reconstruct the others."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Kept(NamedTuple):
    """Which patches the encoder sees."""

    order: Tensor  # (batch, kept), positions of the patches that are seen, in random order
    restore: Tensor  # (batch, patch), where each patch lies in (seen, then hidden)

    @property
    def hidden(self) -> Tensor:
        """``(batch, patch)``, bool: True where a patch is not seen."""
        return self.restore >= self.order.shape[1]

    def rows(self, rows: Tensor) -> Kept:
        """The same for some recordings of the batch."""
        return Kept(self.order[rows], self.restore[rows])

    def select(self, patches: Tensor) -> Tensor:
        """``(batch, patch, width)`` -> ``(batch, kept, width)``."""
        return patches.gather(1, self.order.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))


def keep_patches(batch: int, patches: int, ratio: float, device: torch.device | None = None) -> Kept:
    """Hide the share `ratio` of the patches of each recording; drawn from torch's CPU generator on every device."""
    order = torch.rand(batch, patches).argsort(1)
    kept = max(1, int(patches * (1 - ratio)))
    return Kept(order[:, :kept].to(device), order.argsort(1).to(device))


def patch_targets(ecg: Tensor, patches: int, patch: int) -> Tensor:
    """``(batch, lead, time)`` -> ``(batch, patch, lead, sample)``, each lead of a recording standardised."""
    ecg = ecg[..., : patches * patch]
    ecg = (ecg - ecg.mean(-1, keepdim=True)) / (ecg.var(-1, keepdim=True) + 1e-6).sqrt()
    return ecg.unflatten(-1, (patches, patch)).transpose(1, 2)


def reconstruction_loss(found: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error of the hidden patches; `found`, `target` ``(batch, patch, lead, sample)``."""
    return (found.float() - target).square().mean((2, 3))[hidden].mean()


class PatchDecoder(nn.Module):
    """States of a class token and the kept patches -> all patches ``(batch, patch, lead, sample)``.

    A pre-norm transformer of its own width with sinusoidal positions, as C-MELT builds it.
    """

    def __init__(self, inputs: int, width: int, depth: int, heads: int, patches: int, patch: int, leads: int) -> None:
        super().__init__()
        self.shape = (leads, patch)
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.decoder_embed = nn.Linear(inputs, width)
        self.decoder_pos_embed = SinusoidalPositions(max(512, patches + 1), width)
        self.decoder = nn.ModuleDict({"resblocks": nn.ModuleList(Block(width, heads) for _ in range(depth))})
        self.decoder_norm = nn.LayerNorm(width)
        self.decoder_pred = nn.Linear(width, leads * patch)

    def forward(self, states: Tensor, kept: Kept) -> Tensor:
        """``(batch, 1 + kept, inputs)`` -> ``(batch, patch, lead, sample)``."""
        x = self.decoder_embed(states)
        gaps = self.mask_token.expand(len(x), kept.restore.shape[1] - kept.order.shape[1], -1).to(x.dtype)
        patches = torch.cat([x[:, 1:], gaps], 1)
        patches = patches.gather(1, kept.restore.unsqueeze(-1).expand_as(patches))
        x = self.decoder_pos_embed(torch.cat([x[:, :1], patches], 1))
        for block in self.decoder["resblocks"]:
            x = block(x)
        return self.decoder_pred(self.decoder_norm(x)[:, 1:]).unflatten(-1, self.shape)


class SinusoidalPositions(nn.Module):
    """Fixed sines and cosines in turn, added to a sequence."""

    pe: Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        time = torch.arange(length).unsqueeze(1)
        angles = time * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        self.register_buffer("pe", torch.stack([angles.sin(), angles.cos()], -1).flatten(1).unsqueeze(0))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[:, : x.shape[1]]


class Block(nn.Module):
    """CLIP's transformer block: pre-norm attention and feed-forward with QuickGELU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False)[0]
        hidden = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](hidden * torch.sigmoid(1.702 * hidden))
