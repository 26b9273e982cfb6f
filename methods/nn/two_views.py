"""Self-supervised learning from two views of a recording: what SimCLR, BYOL, Barlow Twins, MoCo v3 and SimSiam share.

A ResNet-1D, a projector that is thrown away afterwards, random views, a slow copy for the methods that have one,
and the losses. Heads and losses are those of the papers named at each; what an ECG may be augmented with is not.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.augment import Augmentation
from methods.nn.backbone import ResNetBackbone
from methods.nn.batch_norm import BatchNorm
from methods.nn.gather import gather


class TwoViews(ResNetBackbone):
    """Encoder, mean over time, projector; `views` draws two augmented forms of each recording."""

    def __init__(self, signal: Any, encoder: str, width: int, augmentation: Augmentation, projector: nn.Module) -> None:
        super().__init__(signal, encoder, width)
        self.augmentation = augmentation
        self.projector = projector

    def views(self, ecg: Tensor) -> tuple[Tensor, Tensor]:
        """Two random views, ``(batch, lead, crop)`` each."""
        return self.augmentation(ecg), self.augmentation(ecg)

    def project(self, view: Tensor) -> Tensor:
        """``(batch, lead, time)`` -> ``(batch, outputs)``."""
        return self.projector(self.ecg_features(view))


class SlowCopy(nn.Module):
    """Encoder and projector that follow the trained ones: t <- m t + (1 - m) o after each step; never trained.

    Batch norms of the copy see its own batches, as in BYOL and MoCo v3.
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
        """``(batch, lead, time)`` -> ``(batch, outputs)``, without gradient."""
        return self.projector(self.encoder(view).mean(-1))

    @torch.no_grad()
    def follow(self, online: TwoViews) -> None:
        """Move towards `online` by ``1 - momentum``."""
        leaders = [*online.ecg_encoder.parameters(), *online.projector.parameters()]
        for own, leader in zip(self.parameters(), leaders, strict=True):
            own.lerp_(leader, 1 - self.momentum)


def mlp(inputs: int, hidden: int, outputs: int, layers: int = 2, last_norm: bool = False) -> nn.Sequential:
    """Linear, batch norm and ReLU, `layers - 1` times, then a linear layer; `last_norm`: a norm without affine map."""
    parts: list[nn.Module] = []
    for _ in range(layers - 1):
        parts += [nn.Linear(inputs, hidden, bias=False), BatchNorm(hidden), nn.ReLU(inplace=True)]
        inputs = hidden
    parts.append(nn.Linear(inputs, outputs, bias=not last_norm))
    return nn.Sequential(*parts, *([BatchNorm(outputs, affine=False)] if last_norm else []))


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """SimCLR's loss: each of 2n views finds its partner among the 2n - 1 others; ``(batch, dim)`` twice."""
    with torch.autocast(first.device.type, enabled=False):
        z = F.normalize(torch.cat([gather(first), gather(second)]).float(), dim=-1)
        own = torch.eye(len(z), dtype=torch.bool, device=z.device)
        logits = (z @ z.T / temperature).masked_fill(own, -torch.inf)
        partner = torch.arange(len(z), device=z.device).roll(len(z) // 2)
        return F.cross_entropy(logits, partner)


def regression(prediction: Tensor, target: Tensor) -> Tensor:
    """BYOL's loss, 2 - 2 cos, mean over the batch; no gradient reaches the target."""
    return 2 - 2 * F.cosine_similarity(prediction.float(), target.detach().float(), dim=-1).mean()


def query_key(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """MoCo v3's loss: each query finds its key among those of the batch, times 2 temperature."""
    with torch.autocast(query.device.type, enabled=False):
        q, k = F.normalize(gather(query).float(), dim=-1), F.normalize(gather(key).float(), dim=-1)
        target = torch.arange(len(q), device=q.device)
        return 2 * temperature * F.cross_entropy(q @ k.T / temperature, target)


def redundancy(first: Tensor, second: Tensor, off_diagonal: float) -> Tensor:
    """Barlow Twins' loss on standardised ``(batch, dim)``: cross-correlation 1 on the diagonal, 0 off it."""
    with torch.autocast(first.device.type, enabled=False):
        a, b = gather(first).float(), gather(second).float()
        correlation = a.T @ b / len(a)  # (dim, dim)
        diagonal = correlation.diagonal()
        rest = correlation.square().sum() - diagonal.square().sum()
        return (1 - diagonal).square().sum() + off_diagonal * rest
