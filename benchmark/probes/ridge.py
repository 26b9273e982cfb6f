"""Ridge regression of 0/1 labels on features, for all penalties from one eigendecomposition.

For every label this is the minimum of ``|y - X w - b|^2 + penalty |w|^2`` (scikit-learn's `Ridge`), in closed form:
with the eigenvectors V and eigenvalues s of the centred X'X, w = V (V'X'y / (s + penalty)). Hoerl and Kennard (1970).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import BenchmarkError
from benchmark.probes.logistic import ProbeBasis, validate_features


def ridge_scores(basis: ProbeBasis, Y: ArrayLike, penalties: ArrayLike, X: ArrayLike) -> NDArray[np.float32]:
    """Fit labels ``(n, C)`` under P penalties and predict for features ``(m, d)``: ``(P, m, C)``.

    Raises `BenchmarkError` for labels of another length and penalties that are not positive and finite.
    """
    labels, strengths = np.asarray(Y, np.float64), np.asarray(penalties, np.float64)
    if labels.ndim != 2 or len(labels) != len(basis.X):
        raise BenchmarkError(f"labels must be (n, C) with n = {len(basis.X)}; got shape {labels.shape}")
    if strengths.ndim != 1 or not (np.isfinite(strengths) & (strengths > 0)).all():
        raise BenchmarkError(f"every penalty must be positive and finite, got {strengths.tolist()}")
    mean = labels.mean(axis=0)
    targets = torch.from_numpy(labels - mean)
    vectors = basis.vectors
    projected = vectors.T @ (basis.X.T @ targets.float()).double()  # (r, C)
    new = torch.from_numpy((validate_features(X) - basis.mean).astype(np.float64)) @ vectors  # (m, r)
    shrunk = projected / (basis.squares[:, None] + torch.from_numpy(strengths)[:, None, None])  # (P, r, C)
    return np.asarray((new @ shrunk).numpy() + mean, dtype=np.float32)
