"""How alike the encoders of a table are: CKA between rows, where a row may have several trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.metrics.cka import pairwise_cka
from benchmark.metrics.statistics import patient_weights

RESAMPLES = 1000
LEVELS = (2.5, 97.5)  # percentiles of a 95 % interval


@dataclass(frozen=True)
class RowSimilarity:
    """CKA of each pair of rows with a 95 % interval over patients, all ``(row, row)``.

    The value of two rows is the mean over the pairs of their trainings. On the diagonal it is the mean over pairs of
    different trainings of the row, NaN for a row with one.
    """

    rows: tuple[str, ...]
    members: tuple[int, ...]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    recordings: int
    patients: int


def row_similarity(
    features: Mapping[str, Sequence[ArrayLike]], patient_ids: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> RowSimilarity:
    """Compare rows; `features` has for each row the ``(n, dim)`` of every training, all of the same n recordings.

    Raises `BenchmarkError` as `pairwise_cka` does.
    """
    rows, members = tuple(features), tuple(len(arrays) for arrays in features.values())
    arrays = [array for of_row in features.values() for array in of_row]
    owner = np.repeat(np.arange(len(rows)), members)
    value = _by_row(pairwise_cka(arrays), owner)[0]
    resampled_values = _by_row(pairwise_cka(arrays, patient_weights(patient_ids, resamples, seed)), owner)
    low, high = np.percentile(resampled_values, LEVELS, axis=0)
    return RowSimilarity(rows, members, value, low, high, len(patient_ids), len(set(patient_ids)))


def _by_row(matrix: NDArray[np.float64], owner: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean over pairs of different trainings: ``(resample, training, training) -> (resample, row, row)``."""
    share = (owner[:, None] == np.arange(owner.max() + 1)).astype(np.float64)
    others = matrix * (1 - np.eye(len(owner)))
    pairs = share.T @ (1 - np.eye(len(owner))) @ share
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(pairs > 0, share.T @ others @ share / pairs, np.nan))
