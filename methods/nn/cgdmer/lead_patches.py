"""Tokens for each lead and stretch of time, an encoder over the visible ones, and a joint decoder that fills the gaps.

After ST-MEM (Na et al., ICLR 2024, https://arxiv.org/abs/2402.09450), whose decoder works lead by lead; where whole
leads are hidden it has nothing to start from, hence attention over all leads here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.nn.cgdmer.transformer import Block, sine_positions, xavier


def patchify(ecg: Tensor, patch: int) -> Tensor:
    """``(batch, lead, time)`` -> ``(batch, lead, time // patch, patch)``, without what is left at the end."""
    count = ecg.shape[-1] // patch
    return ecg[..., : count * patch].unflatten(-1, (count, patch))


def standardised(patches: Tensor) -> Tensor:
    """Each patch by its own mean and variance over its samples, the last dimension (a flat one becomes 0)."""
    mean = patches.mean(-1, keepdim=True)
    return (patches - mean) / (patches.var(-1, keepdim=True, correction=0) + 1e-6).sqrt()


def visible_first(visible: Tensor) -> tuple[Tensor, int]:
    """``(batch, lead, patch)`` bool -> the order ``(batch, lead * patch)`` that puts visible ones first, how many.

    Raises ValueError where recordings keep different numbers of patches.
    """
    flat = visible.flatten(1)
    counts = flat.sum(1)
    if (counts != counts[0]).any():
        raise ValueError("every recording of a batch must keep equally many patches")
    return (~flat).to(torch.uint8).argsort(dim=1, stable=True), int(counts[0])


def pick(tokens: Tensor, order: Tensor) -> Tensor:
    """``(batch, token, width)``, ``(batch, n)`` -> the tokens at those places, ``(batch, n, width)``."""
    return tokens.gather(1, order.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


class LeadTimePositions(nn.Module):
    """A sine position in time, the same for all leads, plus a learnt vector for each lead."""

    def __init__(self, leads: int, patches: int, width: int) -> None:
        super().__init__()
        self.register_buffer("time", sine_positions(patches, width), persistent=False)
        self.lead = nn.Parameter(0.02 * torch.randn(leads, width))

    def forward(self) -> Tensor:
        """``(lead * patch, width)``, lead by lead."""
        time: Tensor = self.time  # type: ignore[assignment]
        return (self.lead[:, None] + time).flatten(0, 1)


class LeadPatchEncoder(nn.Module):
    """One linear map of all patches, positions, and joint attention over leads and time."""

    def __init__(self, leads: int, patches: int, patch: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patch = patch
        self.embedding = nn.Linear(patch, width)
        self.positions = LeadTimePositions(leads, patches, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.apply(xavier)

    def forward(self, ecg: Tensor, kept: Tensor | None = None) -> Tensor:
        """``(batch, lead, time)`` -> tokens ``(batch, lead * patch, width)``, or those `kept` ``(batch, n)`` alone."""
        x = self.embedding(patchify(ecg, self.patch).flatten(1, 2)) + self.positions()
        x = x if kept is None else pick(x, kept)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class JointDecoder(nn.Module):
    """Encoded visible tokens and a learnt token for each gap -> all patches, by attention over leads and time."""

    def __init__(self, inputs: int, leads: int, patches: int, patch: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(inputs, width)
        self.gap = nn.Parameter(0.02 * torch.randn(width))
        self.positions = LeadTimePositions(leads, patches, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, patch)
        self.apply(xavier)

    def forward(self, tokens: Tensor, order: Tensor) -> Tensor:
        """``(batch, visible, inputs)`` and the order of `visible_first` -> ``(batch, lead * patch, samples)``."""
        x = self.embedding(tokens)
        gaps = self.gap.to(x.dtype).expand(len(x), order.shape[1] - x.shape[1], -1)
        x = pick(torch.cat([x, gaps], dim=1), order.argsort(1)) + self.positions()
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
