"""Self-supervised learning from two views of a recording: the shared parts of five methods.

SimCLR, BYOL, Barlow Twins, MoCo v3 and SimSiam share a ResNet-1D, a projector that only pre-training uses, random
views, a momentum copy for the methods that have one, and the losses. Heads and losses are those of the papers named at
each. The augmentations are made for ECG.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.augment import Augmentation
from methods.nn.backbone import ResNetBackbone
from methods.nn.batch_norm import BatchNorm
from methods.nn.gather import gather

if TYPE_CHECKING:
    from benchmark.api import SignalSpec


class TwoViews(ResNetBackbone):
    """Encoder, mean over time and projector; `views` draws two augmented forms of each recording."""

    def __init__(
        self, signal: SignalSpec, encoder: str, width: int, augmentation: Augmentation, projector: nn.Module
    ) -> None:
        super().__init__(signal, encoder, width)
        self.augmentation = augmentation
        self.projector = projector

    def views(self, ecg: Tensor) -> tuple[Tensor, Tensor]:
        """Draw two random views, ``(batch, lead, crop)`` each."""
        return self.augmentation(ecg), self.augmentation(ecg)

    def project(self, view: Tensor) -> Tensor:
        """Map a view ``(batch, lead, time)`` to its projection ``(batch, outputs)``."""
        return self.projector(self.ecg_features(view))


class MomentumCopy(nn.Module):
    """Momentum copy of encoder and projector, which no gradient trains: t <- m t + (1 - m) o after each step.

    Batch norms of the copy use the statistics of its own batches, as in BYOL and MoCo v3.
    """

    def __init__(self, online: TwoViews, momentum: float) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum = {momentum} must lie in [0, 1]")
        self.momentum = momentum
        self.encoder = copy.deepcopy(online.ecg_encoder)
        self.projector = copy.deepcopy(online.projector)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, view: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to ``(batch, outputs)``, without gradient."""
        return self.projector(self.encoder(view).mean(-1))

    @torch.no_grad()
    def follow(self, online: TwoViews) -> None:
        """Move towards the weights of `online` by ``1 - momentum``."""
        leaders = [*online.ecg_encoder.parameters(), *online.projector.parameters()]
        for parameter, leader in zip(self.parameters(), leaders, strict=True):
            parameter.lerp_(leader, 1 - self.momentum)


def build_mlp(inputs: int, hidden: int, outputs: int, layers: int = 2, last_norm: bool = False) -> nn.Sequential:
    """Build ``layers - 1`` times linear, batch norm and ReLU, then a linear layer.

    `last_norm` appends a batch norm without affine map.
    """
    parts: list[nn.Module] = []
    for _ in range(layers - 1):
        parts += [nn.Linear(inputs, hidden, bias=False), BatchNorm(hidden), nn.ReLU(inplace=True)]
        inputs = hidden
    parts.append(nn.Linear(inputs, outputs, bias=not last_norm))
    return nn.Sequential(*parts, *([BatchNorm(outputs, affine=False)] if last_norm else []))


def nt_xent_loss(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return SimCLR's loss of two views, ``(batch, dim)`` each.

    Each of the 2n views has to identify its partner among the 2n - 1 others.
    """
    with torch.autocast(first.device.type, enabled=False):
        z = F.normalize(torch.cat([gather(first), gather(second)]).float(), dim=-1)
        own = torch.eye(len(z), dtype=torch.bool, device=z.device)
        logits = (z @ z.T / temperature).masked_fill(own, -torch.inf)
        partner = torch.arange(len(z), device=z.device).roll(len(z) // 2)
        return F.cross_entropy(logits, partner)


def byol_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Return BYOL's loss: 2 - 2 cos, mean over the batch; no gradient reaches the target."""
    return 2 - 2 * F.cosine_similarity(prediction.float(), target.detach().float(), dim=-1).mean()


def moco_loss(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """Return MoCo v3's loss: cross-entropy of each query over the keys of the batch, times 2 temperature.

    Query and key are ``(batch, dim)``; row i of one belongs to row i of the other.
    """
    with torch.autocast(query.device.type, enabled=False):
        q, k = F.normalize(gather(query).float(), dim=-1), F.normalize(gather(key).float(), dim=-1)
        target = torch.arange(len(q), device=q.device)
        return 2 * temperature * F.cross_entropy(q @ k.T / temperature, target)


def barlow_twins_loss(first: Tensor, second: Tensor, off_diagonal: float) -> Tensor:
    """Return Barlow Twins' loss of standardised ``(batch, dim)``.

    It draws the cross-correlation to 1 on the diagonal and, weighted by `off_diagonal`, to 0 off it.
    """
    with torch.autocast(first.device.type, enabled=False):
        a, b = gather(first).float(), gather(second).float()
        correlation = a.T @ b / len(a)  # (dim, dim)
        diagonal = correlation.diagonal()
        rest = correlation.square().sum() - diagonal.square().sum()
        return (1 - diagonal).square().sum() + off_diagonal * rest
