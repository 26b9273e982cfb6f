"""Spatio-temporal masked modelling of ECG: one token per lead and patch of time, of which three quarters are hidden.

Na et al., "Guiding MaskedTokens Representation Learning to Capture Spatio-Temporal Relationship of Electrocardiogram"
(ST-MEM), ICLR 2024, arXiv 2402.09450. The encoder's parameters carry the names of the official class.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.encoder import Encoder
from methods.nn.transfer import hand_over
from methods.nn.vit1d import HEAD, Block


class MaskedTokens(NamedTuple):
    """Encoded visible tokens with the two separators of each lead, and their positions."""

    tokens: Tensor  # (batch, lead, 2 + visible, width)
    order: Tensor  # (batch, lead, patch): position of each patch in (visible, then hidden)
    hidden: Tensor  # (batch, lead, patch), 1 where hidden


class SpatioTemporalViT(Encoder):
    """Encoder: one shared linear map of patches, fixed positions in time, a learned vector per lead, separators.

    Official sizes are width 768 and depth 12 (base) or 384 and 12 (small); a head has 64 channels. Raises ValueError
    where patches do not fill the samples, or heads the width.
    """

    def __init__(self, samples: int, patch: int, leads: int, width: int, depth: int) -> None:
        super().__init__()
        if samples % patch:
            raise ValueError(f"{samples} samples are no whole number of patches of {patch}")
        if width % HEAD:
            raise ValueError(f"width = {width} is no multiple of {HEAD}, the channels of an attention head")
        self.patch, self.patches, self.depth = patch, samples // patch, depth
        self.to_patch_embedding = nn.Sequential(
            nn.Identity(), nn.LayerNorm(patch), nn.Linear(patch, width), nn.LayerNorm(width)
        )
        self.pos_embedding = nn.Parameter(time_positions(self.patches, width), requires_grad=False)
        self.sep_embedding = nn.Parameter(0.02 * torch.randn(width))
        self.lead_embeddings = nn.ParameterList(0.02 * torch.randn(width) for _ in range(leads))
        for index in range(depth):
            self.add_module(f"block{index}", Block(width, width // HEAD))
        self.norm = nn.LayerNorm(width)

    def forward(self, ecg: Tensor) -> Tensor:
        """Return tokens of all patches, not normalised: ``(batch, lead, time)`` -> ``(batch, lead, patch, width)``."""
        return self._transform(self._with_leads(self._embed(ecg)))[:, :, 1:-1]

    def encode_visible(self, ecg: Tensor, ratio: float) -> MaskedTokens:
        """Hide the share `ratio` of each lead's patches, drawn for each recording and lead, and encode the others."""
        x = self._embed(ecg)  # (batch, lead, patch, width)
        visible = max(1, int(self.patches * (1 - ratio)))
        shuffled = hand_over(torch.rand(x.shape[:3]), x.device).argsort(dim=2)
        order = shuffled.argsort(dim=2)
        visible_patches = x.gather(2, shuffled[:, :, :visible, None].expand(-1, -1, -1, x.shape[-1]))
        tokens = self.norm(self._transform(self._with_leads(visible_patches)))
        return MaskedTokens(tokens, order, (order >= visible).to(x.dtype))

    def patchify(self, ecg: Tensor) -> Tensor:
        """Cut ``(batch, lead, time)`` into ``(batch, lead, patch, samples)``."""
        return ecg.unflatten(-1, (self.patches, self.patch))

    def _embed(self, ecg: Tensor) -> Tensor:
        patches = self.patchify(ecg.to(self.pos_embedding.dtype))
        return self.to_patch_embedding(patches) + self.pos_embedding[:, None, 1:-1]

    def _with_leads(self, x: Tensor) -> Tensor:
        """Add a separator at both ends of each lead, and each lead's vector to its tokens."""
        ends = (self.sep_embedding + self.pos_embedding[:, [0, -1]]).expand(len(x), x.shape[1], -1, -1)
        x = torch.cat([ends[:, :, :1], x, ends[:, :, 1:]], dim=2)
        return x + torch.stack(list(self.lead_embeddings))[None, :, None]

    def _transform(self, x: Tensor) -> Tensor:
        """Apply attention over all tokens of all leads: ``(batch, lead, token, width)`` -> the same shape."""
        leads = x.shape[1]
        x = x.flatten(1, 2)
        for index in range(self.depth):
            x = self.get_submodule(f"block{index}")(x)
        return x.unflatten(1, (leads, -1))


class LeadwiseDecoder(nn.Module):
    """Fill the gaps of each lead separately, with the same weights for all leads; officially 256 wide, 4 deep."""

    def __init__(self, inputs: int, patches: int, patch: int, width: int, depth: int) -> None:
        super().__init__()
        self.to_decoder_embedding = nn.Linear(inputs, width)
        self.mask_embedding = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.decoder_pos_embed = nn.Parameter(time_positions(patches, width), requires_grad=False)
        self.decoder_blocks = nn.ModuleList(Block(width, max(1, width // HEAD)) for _ in range(depth))
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_head = nn.Linear(width, patch)

    def forward(self, masked: MaskedTokens) -> Tensor:
        """Map encoded visible tokens to ``(batch, lead, patch, samples)``."""
        x = self.to_decoder_embedding(masked.tokens)
        batch, leads, patches = masked.order.shape
        gaps = self.mask_embedding.expand(batch, leads, patches + 2 - x.shape[2], -1)
        inner = torch.cat([x[:, :, 1:-1], gaps], dim=2)
        inner = inner.gather(2, masked.order.unsqueeze(-1).expand_as(inner))
        x = torch.cat([x[:, :, :1], inner, x[:, :, -1:]], dim=2) + self.decoder_pos_embed[:, None]
        x = x.flatten(0, 1)  # (batch * lead, 2 + patch, width)
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_head(self.decoder_norm(x))[:, 1:-1].unflatten(0, (batch, leads))


def reconstruction_loss(predicted: Tensor, patches: Tensor, hidden: Tensor, standardise: bool = True) -> Tensor:
    """Return the mean squared error over hidden patches; `standardise` compares with standardised patches.

    `predicted` and `patches` are ``(batch, lead, patch, samples)``, `hidden` ``(batch, lead, patch)``. Each patch is
    standardised by its own mean and variance.
    """
    if standardise:
        mean, variance = patches.mean(-1, keepdim=True), patches.var(-1, keepdim=True)
        patches = (patches - mean) / (variance + 1e-6).sqrt()
    error = F.mse_loss(predicted.float(), patches.float(), reduction="none").mean(-1)  # (batch, lead, patch)
    return (error * hidden).sum() / hidden.sum()


def time_positions(patches: int, width: int) -> Tensor:
    """Return sines, then cosines, ``(1, patches + 2, width)``; the two ends, for the separators, are 0."""
    half = torch.arange(width // 2, dtype=torch.float32) / (width / 2)
    angles = torch.arange(patches, dtype=torch.float32)[:, None] / 10000**half
    table = torch.cat([angles.sin(), angles.cos()], dim=1)
    return F.pad(table, (0, 0, 1, 1)).unsqueeze(0)
