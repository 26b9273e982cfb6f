"""Masked auto-encoding (He et al., CVPR 2022) of a recording: encode few patches, reconstruct the others."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.attention import multi_head_attention
from methods.nn.token_selection import select_tokens
from methods.nn.transfer import hand_over

QUICK_GELU = 1.702  # QuickGELU is h * sigmoid(1.702 h)


class VisiblePatches(NamedTuple):
    """The patches that the encoder receives."""

    order: Tensor  # (batch, visible), positions of the visible patches, in random order
    restore: Tensor  # (batch, patch), position of each patch in (visible, then hidden)

    @property
    def hidden(self) -> Tensor:
        """Which patches are hidden, ``(batch, patch)`` bool."""
        return self.restore >= self.order.shape[1]

    @property
    def hidden_order(self) -> Tensor:
        """Return the positions of the hidden patches, ``(batch, hidden)``."""
        return self.restore.argsort(1)[:, self.order.shape[1] :]


def draw_visible_patches(batch: int, patches: int, ratio: float, device: torch.device | None = None) -> VisiblePatches:
    """Hide the share `ratio` of each recording's patches; drawn from torch's CPU generator on every device."""
    order = torch.rand(batch, patches).argsort(1)
    count = max(1, int(patches * (1 - ratio)))
    device = device or order.device
    return VisiblePatches(hand_over(order[:, :count], device), hand_over(order.argsort(1), device))


def patch_targets(ecg: Tensor, patches: int, patch: int) -> Tensor:
    """Return the patches to reconstruct: ``(batch, lead, time)`` -> ``(batch, patch, lead, sample)``.

    Each lead of a recording is standardised over its whole length.
    """
    ecg = ecg[..., : patches * patch]
    ecg = ecg - ecg.mean(-1, keepdim=True)
    ecg = ecg / (ecg.square().sum(-1, keepdim=True) / (ecg.shape[-1] - 1) + 1e-6).sqrt()
    return ecg.unflatten(-1, (patches, patch)).transpose(1, 2)


def reconstruction_loss(prediction: Tensor, target: Tensor, visible: VisiblePatches) -> Tensor:
    """Return the mean squared error over hidden patches; 0 where nothing is hidden.

    `prediction` is ``(batch, hidden, lead, sample)``, in the order of `VisiblePatches.hidden_order`, and `target`
    ``(batch, patch, lead, sample)``.
    """
    hidden = select_tokens(target.flatten(2), visible.hidden_order)
    return (prediction.flatten(2).float() - hidden).square().sum() / max(1, hidden.numel())


class PatchDecoder(nn.Module):
    """A decoder from states of a class token and the visible patches to patches ``(batch, patch, lead, sample)``.

    A pre-norm transformer of its own width with sinusoidal positions, as C-MELT builds it. Inside, the visible patches
    come first: attention does not depend on an order, and so no token has to be put back to its place.
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
        """Map states ``(batch, 1 + visible, inputs)`` to all patches ``(batch, patch, lead, sample)``."""
        x = self.decoder(self._embed(states, visible))[:, 1:]
        return select_tokens(self._predict(x).flatten(2), visible.restore).unflatten(-1, self.shape)

    def predict_hidden(self, states: Tensor, visible: VisiblePatches) -> Tensor:
        """Map states ``(batch, 1 + visible, inputs)`` to the hidden patches alone ``(batch, hidden, lead, sample)``.

        They come in the order of `VisiblePatches.hidden_order`.
        """
        hidden = visible.restore.shape[1] - visible.order.shape[1]
        x = self.decoder(self._embed(states, visible), max(1, hidden))
        return self._predict(x[:, x.shape[1] - hidden :])

    def _embed(self, states: Tensor, visible: VisiblePatches) -> Tensor:
        """Return the class token, the visible and the hidden patches with their positions, in this order."""
        x, positions = self.decoder_embed(states), self.decoder_pos_embed.pe.squeeze(0)
        visible_places = F.embedding(F.pad(1 + visible.order, (1, 0)), positions)  # the class token is at 0
        gaps = self.mask_token + F.embedding(1 + visible.hidden_order, positions)
        return torch.cat([x + visible_places, gaps], 1)

    def _predict(self, x: Tensor) -> Tensor:
        """Map tokens ``(batch, token, width)`` to patches ``(batch, token, lead, sample)``."""
        return self.decoder_pred(self.decoder_norm(x)).unflatten(-1, self.shape)


class Transformer(nn.Module):
    """Blocks one after the other, under the official name ``resblocks``."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(depth))

    def forward(self, x: Tensor, last: int | None = None) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape, or with `last` to that many tokens at the end."""
        for index, block in enumerate(self.resblocks, 1):
            x = block(x, last if index == len(self.resblocks) else None)
        return x


class SinusoidalPositions(nn.Module):
    """Fixed positions with alternating sines and cosines, ``pe`` ``(1, position, width)``."""

    pe: Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        time = torch.arange(length).unsqueeze(1)
        angles = time * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        self.register_buffer("pe", torch.stack([angles.sin(), angles.cos()], -1).flatten(1).unsqueeze(0))


class Block(nn.Module):
    """CLIP's transformer block: pre-norm attention and feed-forward with QuickGELU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor, last: int | None = None) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape, or with `last` to that many tokens at the end."""
        normed = self.ln_1(x)
        if last is None:
            x = x + multi_head_attention(self.attn, normed, normed)
        else:
            x = x[:, -last:] + multi_head_attention(self.attn, normed[:, -last:], normed)
        up: Any = self.mlp["c_fc"]
        down: Any = self.mlp["c_proj"]
        # QuickGELU is a SiLU whose factor 1.702 belongs to the weights, which are smaller than the activations
        hidden = F.linear(self.ln_2(x), QUICK_GELU * up.weight, QUICK_GELU * up.bias)
        return x + F.linear(F.silu(hidden), down.weight / QUICK_GELU, down.bias)
