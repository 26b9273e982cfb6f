"""Contrastive losses of pairs: row i of one side belongs to row i of the other.

`clip_loss` is the loss of MERL (Liu et al., ICML 2024) and DERI (IJCAI 2025): InfoNCE with a fixed temperature, the
sum of both directions (CLIP takes their mean). `siglip_loss` judges every pair by itself (Zhai et al., "Sigmoid Loss
for Language Image Pre-Training", ICCV 2023, https://arxiv.org/abs/2303.15343). Both use the pairs of all processes
that train together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.nn.gather import gather, gather_texts
from methods.nn.transfer import hand_over


def cosine_similarity(x: Tensor, y: Tensor) -> Tensor:
    """Return the cosines of all pairs of rows: ``(n, dim), (m, dim)`` -> ``(n, m)``.

    Computed in float32 even under autocast, where the factor 1 / 0.07 would cost digits.
    """
    with torch.autocast(x.device.type, enabled=False):
        return F.normalize(x.float(), dim=-1) @ F.normalize(y.float(), dim=-1).T


def clip_loss(x: Tensor, y: Tensor, temperature: float | Tensor = 0.07, positive: Tensor | None = None) -> Tensor:
    """Return ``CE(S, diagonal) + CE(S^T, diagonal)`` with S = cosines / temperature; x, y: ``(batch, dim)``.

    With `positive` ``(n, n)`` bool, symmetric, the target of a row is spread evenly over its positives.
    """
    logits = cosine_similarity(gather(x), gather(y)) / temperature
    if positive is None:
        target = torch.arange(len(logits), device=logits.device)
    else:
        target = positive / positive.sum(1, keepdim=True)
    return F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)


def siglip_loss(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    bias: Tensor,
    positive: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the `sigmoid_loss` of ``scale cos(x_i, y_j) + bias`` over the global batch; x, y: ``(batch, dim)``.

    `scale` is positive; it and `bias` are usually learned. `positive` ``(n, n)`` bool marks the pairs that belong
    together (None: the diagonal). Pairs outside `mask` ``(n, n)`` bool do not count (None: all count).
    """
    logits = scale.float() * cosine_similarity(gather(x), gather(y)) + bias.float()
    if positive is None:
        positive = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    return sigmoid_loss(logits, positive, mask)


def sigmoid_loss(logits: Tensor, positive: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return SigLIP's loss (Zhai et al., ICCV 2023): a binary decision on each pair, true where `positive`.

    ``(1 / n) sum_ij log(1 + exp(-z_ij logits_ij))``, z = +1 or -1, over the pairs in `mask` (None: all). Logits,
    `positive` and `mask` are ``(n, m)`` for n recordings and m texts.
    """
    signs = positive.to(logits.dtype) * 2 - 1
    terms = F.softplus(-signs * logits)
    return (terms if mask is None else terms * mask).sum() / len(logits)


def equal_texts(texts: Sequence[str], device: torch.device) -> Tensor:
    """Return which of the texts of all processes are equal, letter by letter, ``(n, n)`` bool.

    For reports pass `benchmark.api.report_key` of each, which decides when two reports are the same.
    """
    numbers: dict[str, int] = {}
    ids = [numbers.setdefault(text, len(numbers)) for text in gather_texts(list(texts))]
    own = hand_over(torch.tensor(ids), device)
    return own[:, None] == own


def retrieval_accuracy(x: Tensor, y: Tensor, top: int = 1) -> float:
    """Return the percentage of rows whose partner is among the `top` most similar, mean of both directions."""
    cosines = cosine_similarity(x, y)  # (batch, batch)
    return 50 * sum(_top_share(similar, top) for similar in (cosines, cosines.T))


def _top_share(cosines: Tensor, top: int) -> float:
    """Return the share of rows of ``(batch, batch)`` whose own column is among the `top` largest."""
    best = cosines.topk(min(top, len(cosines)), dim=1).indices  # (batch, top)
    own = torch.arange(len(cosines), device=best.device).unsqueeze(1)
    return (best == own).any(1).float().mean().item()
