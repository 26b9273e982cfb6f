"""k nearest neighbours by cosine similarity, for all k from one ranking.

A recording's score for a class is the mean of its neighbours' labels, either even or weighted by
exp(similarity / temperature) as in the weighted k-NN of Wu et al. (Unsupervised feature learning via non-parametric
instance discrimination, CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import BenchmarkError
from benchmark.probes.logistic import Standardiser, validate_features

TEMPERATURE = 0.07  # of the weighted mean, as in the paper
CELLS = 2**24  # similarities held at once: 64 MB


def knn_scores(
    train: ArrayLike, Y: ArrayLike, X: ArrayLike, neighbours: Sequence[int], weighted: Sequence[bool] = (False,)
) -> NDArray[np.float32]:
    """Score new features ``(m, d)`` by their neighbours among ``(n, d)`` with labels ``(n, C)``.

    Returns ``(len(weighted), len(neighbours), m, C)`` in 0..1, a score per weighting and k. A k above n means all n.
    Raises `BenchmarkError` for a k below 1 and shapes that do not fit.
    """
    reference, new = (_unit(values) for values in (train, X))
    labels = torch.from_numpy(np.asarray(Y, np.float32))
    if labels.ndim != 2 or len(labels) != len(reference):
        raise BenchmarkError(f"labels must be (n, C) with n = {len(reference)}; got shape {tuple(labels.shape)}")
    if reference.shape[1] != new.shape[1]:
        raise BenchmarkError(f"expected {reference.shape[1]} features, got {new.shape[1]}")
    if not neighbours or min(neighbours) < 1:
        raise BenchmarkError(f"neighbours must be at least 1, got {list(neighbours)}")
    last = [min(k, len(reference)) - 1 for k in neighbours]
    out = np.empty((len(weighted), len(neighbours), len(new), labels.shape[1]), np.float32)
    step = max(1, CELLS // (len(reference) + (max(last) + 1) * labels.shape[1]))
    for start in range(0, len(new), step):
        similarity, nearest = (new[start : start + step] @ reference.T).topk(max(last) + 1, dim=1)
        votes = labels[nearest]  # (m, k, C)
        for place, by_similarity in enumerate(weighted):
            above = similarity - similarity[:, :1]  # relative to the nearest_rows, so that no weight overflows
            weights = (above / TEMPERATURE).exp() if by_similarity else torch.ones_like(similarity)
            sums = (weights[:, :, None] * votes).cumsum(dim=1)[:, last]
            means = sums / weights.cumsum(dim=1)[:, last, None]
            out[place, :, start : start + step] = means.transpose(0, 1).numpy()
    return out


def nearest_rows(train: ArrayLike, X: ArrayLike) -> NDArray[np.intp]:
    """Return the row of the nearest of ``(n, d)`` for each of ``(m, d)``, by cosine of standardised features."""
    standardiser = Standardiser.fit(validate_features(train))
    reference, new = _unit(standardiser(validate_features(train))), _unit(standardiser(validate_features(X)))
    step = max(1, CELLS // len(reference))
    return np.concatenate(
        [(new[start : start + step] @ reference.T).argmax(dim=1).numpy() for start in range(0, len(new), step)]
    )


def _unit(X: ArrayLike) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(validate_features(X).astype(np.float32)), dim=1)
