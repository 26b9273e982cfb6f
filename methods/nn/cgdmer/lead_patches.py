"""Tokens for each lead and stretch of time: an encoder of the visible ones, and a joint decoder that fills the gaps.

After ST-MEM (Na et al., ICLR 2024, https://arxiv.org/abs/2402.09450), whose decoder works lead by lead. Where a whole
lead is hidden, such a decoder has nothing to start from; here it attends to all leads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.cgdmer.transformer import Block, sine_positions
from methods.nn.token_selection import select_tokens
from methods.nn.xavier import init_xavier


def patchify(ecg: Tensor, patch: int) -> Tensor:
    """Cut ``(batch, lead, time)`` into ``(batch, lead, time // patch, patch)``; the incomplete end is dropped."""
    count = ecg.shape[-1] // patch
    return ecg[..., : count * patch].unflatten(-1, (count, patch))


def standardise_patches(patches: Tensor) -> Tensor:
    """Standardise each patch by its own mean and variance over the last dimension; a flat one becomes 0."""
    centred = patches - patches.mean(-1, keepdim=True)  # torch's own variance is several times slower on a CPU
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()


def order_visible_first(visible: Tensor) -> tuple[Tensor, int]:
    """Return an order of patches that puts the visible ones first, ``(batch, lead * patch)``, and how many are visible.

    `visible` is ``(batch, lead, patch)`` bool. Raises ValueError where recordings have different numbers of visible
    patches.
    """
    flat = visible.flatten(1)
    counts = flat.sum(1)
    if (counts != counts[0]).any():
        raise ValueError("every recording of a batch must keep equally many patches")
    return (~flat).to(torch.uint8).argsort(dim=1, stable=True), int(counts[0])


class LeadTimePositions(nn.Module):
    """A sine position in time, the same for all leads, plus a learned vector for each lead."""

    time: Tensor

    def __init__(self, leads: int, patches: int, width: int) -> None:
        super().__init__()
        self.register_buffer("time", sine_positions(patches, width), persistent=False)
        self.lead = nn.Parameter(0.02 * torch.randn(leads, width))

    def forward(self) -> Tensor:
        """Return the positions ``(lead * patch, width)``, lead by lead."""
        return (self.lead[:, None] + self.time).flatten(0, 1)


class LeadPatchEncoder(nn.Module):
    """One linear map of all patches, positions, and joint attention over leads and time."""

    def __init__(self, leads: int, patches: int, patch: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patch = patch
        self.embedding = nn.Linear(patch, width)
        self.positions = LeadTimePositions(leads, patches, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.apply(init_xavier)

    def forward(self, ecg: Tensor, positions: Tensor | None = None) -> Tensor:
        """Map ``(batch, lead, time)`` to tokens ``(batch, lead * patch, width)``.

        With `positions` ``(batch, n)`` it encodes the patches at these positions alone: ``(batch, n, width)``.
        """
        patches, places = patchify(ecg, self.patch).flatten(1, 2), self.positions()
        if positions is not None:
            patches, places = select_tokens(patches, positions), F.embedding(positions, places)
        x = self.embedding(patches) + places
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class JointDecoder(nn.Module):
    """Reconstruct hidden patches from visible tokens and a learned token per gap, with attention over leads and time.

    Inside, the visible tokens come first: attention does not depend on an order.
    """

    def __init__(self, inputs: int, leads: int, patches: int, patch: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(inputs, width)
        self.gap = nn.Parameter(0.02 * torch.randn(width))
        self.positions = LeadTimePositions(leads, patches, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, patch)
        self.apply(init_xavier)

    def forward(self, tokens: Tensor, order: Tensor) -> Tensor:
        """Map visible tokens ``(batch, visible, inputs)`` to the hidden patches ``(batch, hidden, samples)``.

        `order` ``(batch, lead * patch)`` holds the positions of the visible patches, then those of the hidden ones.
        """
        visible, hidden = tokens.shape[1], order.shape[1] - tokens.shape[1]
        visible_places, gaps = F.embedding(order, self.positions()).split([visible, hidden], dim=1)
        x = torch.cat([self.embedding(tokens) + visible_places, self.gap + gaps], dim=1)
        for index, block in enumerate(self.blocks, 1):
            x = block(x, last=max(1, hidden) if index == len(self.blocks) else None)
        return self.head(self.norm(x[:, x.shape[1] - hidden :]))
