"""Contrastive learning of pairs: row i of one side belongs to row i of the other.

The loss is the one that MERL (Liu et al., ICML 2024) and DERI (IJCAI 2025) minimise: InfoNCE with a
fixed temperature, the sum of both directions (CLIP takes their mean).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_similarity(x: Tensor, y: Tensor) -> Tensor:
    """``(n, dim), (m, dim)`` -> ``(n, m)``; in float32 even under autocast, where 1 / 0.07 would cost digits."""
    with torch.autocast(x.device.type, enabled=False):
        return F.normalize(x.float(), dim=-1) @ F.normalize(y.float(), dim=-1).T


def clip_loss(x: Tensor, y: Tensor, temperature: float = 0.07) -> Tensor:
    """``CE(S, diagonal) + CE(S^T, diagonal)`` with S = cosines / temperature; x, y: ``(batch, dim)``."""
    logits = cosine_similarity(x, y) / temperature
    target = torch.arange(len(logits), device=logits.device)
    return F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)


def sigmoid_loss(logits: Tensor, positive: Tensor) -> Tensor:
    """SigLIP (Zhai et al., ICCV 2023): every pair is a question of its own, yes where `positive`, no elsewhere.

    ``(1 / n) sum_ij log(1 + exp(-z_ij logits_ij))``, z = +1 or -1; both ``(n, m)``, n recordings and m texts.
    """
    signs = positive.to(logits.dtype) * 2 - 1
    return F.softplus(-signs * logits).sum() / len(logits)


def retrieval_accuracy(x: Tensor, y: Tensor, top: int = 1) -> float:
    """Percentage of rows whose own partner is among the `top` most similar, mean of both directions."""
    cosines = cosine_similarity(x, y)  # (batch, batch)
    return 50 * sum(_found(similar, top) for similar in (cosines, cosines.T))


def _found(cosines: Tensor, top: int) -> float:
    best = cosines.topk(min(top, len(cosines)), dim=1).indices  # (batch, top)
    own = torch.arange(len(cosines), device=best.device).unsqueeze(1)
    return (best == own).any(1).float().mean().item()
