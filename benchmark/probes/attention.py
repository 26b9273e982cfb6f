"""Attention probe: one learnt query per class attends to a recording's tokens.

    logit_c = b_c + w_c . sum_t softmax_t(q_c . x_t / sqrt(d)) x_t

Every query starts at 0, which weighs all tokens alike: the probe begins as a linear probe on the mean token and
learns where to look. (Attentive probing: Bardes et al., V-JEPA, 2024, there with one query for all classes.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

EVALUATION_BATCH = 256  # recordings


class Tokens(Protocol):
    """Token sequences, read from disk batch by batch."""

    def __len__(self) -> int: ...

    def batch(self, positions: np.ndarray) -> Tensor:
        """Return ``(len(positions), token, dim)``."""


class AttentionProbe(nn.Module):
    """Map tokens, standardised by `mean` and `std` ``(dim,)``, to logits."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.queries = nn.Parameter(torch.zeros(classes, len(mean)))
        self.weights = nn.Parameter(torch.zeros(classes, len(mean)))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(batch, token, dim)`` to logits ``(batch, class)``."""
        x = (tokens - self.mean) / self.std
        attention = (x @ self.queries.T / math.sqrt(x.shape[-1])).softmax(dim=1)  # (batch, token, class)
        # pooling first and weighting later gives the same, with a (batch, class, dim) in between
        return (attention * (x @ self.weights.T)).sum(dim=1) + self.bias


@dataclass(frozen=True)
class Recipe:
    """Options of a training: AdamW with a half cosine down to 0."""

    lr: float = 1e-3
    weight_decay: float = 1e-2
    epochs: int = 20
    batch_size: int = 64
    seed: int = 0


def train_epochs(probe: AttentionProbe, tokens: Tokens, labels: np.ndarray, recipe: Recipe) -> Iterator[int]:
    """Train on labels ``(n, C)``; yield the number of each finished epoch. Equal seeds give equal bits."""
    optimiser = torch.optim.AdamW(probe.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    batches = -(-len(tokens) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs * batches)
    device = probe.mean.device
    targets = torch.from_numpy(labels.astype(np.float32)).to(device)
    for epoch in range(recipe.epochs):
        order = np.random.default_rng([recipe.seed, epoch]).permutation(len(tokens))
        for positions in np.array_split(order, batches):
            loss = binary_cross_entropy_with_logits(probe(tokens.batch(positions).to(device)), targets[positions])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        yield epoch + 1


def token_statistics(tokens: Tokens) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of every channel over all tokens of all recordings, ``(dim,)`` each.

    A constant channel gets the standard deviation 1.
    """
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0
    count = 0
    for batch in _batches(tokens):
        values = batch.double().flatten(0, 1)
        total, squares, count = total + values.sum(0), squares + (values**2).sum(0), count + len(values)
    mean = torch.as_tensor(total / count)
    std = (torch.as_tensor(squares / count) - mean**2).clamp(min=0).sqrt()
    return mean.float(), torch.where(std <= 1e-6 * mean.abs() + 1e-12, 1.0, std).float()


def predict_logits(probe: AttentionProbe, tokens: Tokens) -> np.ndarray:
    """Return the logits of all recordings, ``(n, C)``."""
    with torch.inference_mode():
        return np.concatenate([probe(batch.to(probe.mean.device)).cpu().numpy() for batch in _batches(tokens)])


def _batches(tokens: Tokens) -> Iterator[Tensor]:
    for start in range(0, len(tokens), EVALUATION_BATCH):
        yield tokens.batch(np.arange(start, min(start + EVALUATION_BATCH, len(tokens))))
