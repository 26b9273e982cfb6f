"""Similarity of two encoders on the same recordings: linear centred kernel alignment (CKA), without its bias.

Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019, section 3. Every HSIC in it is the
unbiased estimate of Song et al., Feature Selection via Dependence Maximization, JMLR 13 (2012), theorem 5: with 2,000
recordings and 512 channels the plain estimate calls two unrelated encoders alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import BenchmarkError

Floats = NDArray[np.float64]
LEAST = 4  # recordings that the unbiased estimate needs
CHUNK = 256  # resamples worked on at once


def pairwise_cka(features: Sequence[ArrayLike], weights: ArrayLike | None = None) -> Floats:
    """Return the CKA of every two encoders under each row of `weights`: ``(resample, encoder, encoder)``.

    `features` has ``(n, dim)`` per encoder, for the same recordings in the same order; dims may differ. `weights` is
    ``(resample, n)``, how often a recording counts; None: once each, a single resample. A recording drawn twice is not
    compared with itself. CKA is 1 for features equal up to rotation and scale, around 0 for unrelated ones. NaN where
    features are constant. Raises `BenchmarkError` for recordings that do not match, fewer than four, or values that
    are not finite.
    """
    arrays = [np.asarray(array, dtype=np.float64) for array in features]
    count = _checked_count(arrays)
    rows = np.ones((1, count)) if weights is None else np.asarray(weights, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != count:
        raise BenchmarkError(f"weights have the shape {rows.shape}, (resample, {count}) expected")
    kernels = [_kernel(array) for array in arrays]
    parts = [_cka(kernels, rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
    return np.concatenate(parts)


def _checked_count(arrays: Sequence[Floats]) -> int:
    """Return the number of recordings that all encoders have features of."""
    counts = {len(array) for array in arrays}
    if len(counts) != 1:
        raise BenchmarkError(f"features of {sorted(counts)} recordings: every encoder needs those of the same ones")
    if any(array.ndim != 2 for array in arrays):
        raise BenchmarkError("features must have the form (recording, dim)")
    if min(counts) < LEAST:
        raise BenchmarkError(f"CKA needs {LEAST} recordings or more, there are {min(counts)}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise BenchmarkError("features hold values that are not finite")
    return counts.pop()


def _kernel(features: Floats) -> NDArray[np.float32]:
    """Return inner products of centred features, ``(n, n)``, of mean square 1, with zeros on the diagonal."""
    centred = features - features.mean(axis=0)
    size = np.sqrt(np.mean(centred**2)) or 1.0
    kernel = (centred / size) @ (centred / size).T
    np.fill_diagonal(kernel, 0.0)
    scale = np.sqrt(np.mean(kernel**2)) or 1.0
    return (kernel / scale).astype(np.float32)


def _cka(kernels: Sequence[NDArray[np.float32]], weights: Floats) -> Floats:
    """Return ``(resample, encoder, encoder)`` for one chunk of resamples."""
    columns = weights.T.astype(np.float32)  # (n, resample)
    sums = [(kernel @ columns).astype(np.float64) for kernel in kernels]
    size = len(kernels)
    hsic = np.empty((len(weights), size, size))
    for a in range(size):
        for b in range(a + 1):
            products = np.einsum("nr,nr->r", (kernels[a] * kernels[b]) @ columns, columns, dtype=np.float64)
            hsic[:, a, b] = hsic[:, b, a] = _hsic(products, sums[a], sums[b], weights)
    own = np.einsum("raa->ra", hsic)
    scale = np.sqrt(own[:, :, None] * own[:, None, :], out=np.full_like(hsic, np.nan), where=_positive(own))
    return np.asarray(hsic / scale)


def _positive(own: Floats) -> NDArray[np.bool_]:
    return (own[:, :, None] > 0) & (own[:, None, :] > 0)


def _hsic(products: Floats, sums_a: Floats, sums_b: Floats, weights: Floats) -> Floats:
    """Return the unbiased HSIC, with sums over recordings replaced by weighted ones: ``(resample,)``.

    The factor n (n - 3) in front of it cancels in CKA and is left out.
    """
    n = weights.sum(axis=1)
    totals = np.einsum("nr,rn->r", sums_a, weights) * np.einsum("nr,rn->r", sums_b, weights)
    both = np.einsum("nr,nr,rn->r", sums_a, sums_b, weights)
    return np.asarray(products + totals / ((n - 1) * (n - 2)) - 2 * both / (n - 2))
