"""Scores as whole numbers of 16 bits, in a quarter of the room, from which every metric is computed again.

Each class has an even grid from its lowest score to its highest. Rounding to it would make ties, and would move
recordings over a threshold or into another bin of the calibration error. So codes keep three things exactly: the order
of the scores with its ties, the side of each threshold, and the bins of probabilities. Where 16 bits have no room for
that (a large test set, an outlier), a class keeps its scores as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from benchmark.metrics.calibration import BINS

TOP = 2**16 - 1
MOST_MOVED = 0.25  # steps, in the mean: shares of neighbours lie so densely that all of them would move up
SHARES = np.arange(1, BINS) / BINS  # the bins of probabilities, which a task's scores may be already
EDGES = np.concatenate([SHARES, logit(SHARES)])  # or become by a sigmoid


@dataclass(frozen=True)
class Codes:
    """The codes of one class: a score is ``low + step * values``."""

    low: float
    step: float
    values: np.ndarray  # (recording,) uint16; or the scores, with 0 and 1 as `low` and `step`

    def scores(self) -> np.ndarray:
        """Return the scores, ``(recording,)`` float64."""
        return self.low + self.step * self.values.astype(np.float64)


def encode(scores: np.ndarray, threshold: float | None = None) -> Codes:
    """Return the codes of one class's scores ``(recording,)``, which must be finite."""
    values, places = np.unique(scores.astype(np.float64), return_inverse=True)
    low, step = float(values[0]), float(values[-1] - values[0]) / TOP
    if len(values) == 1:
        return Codes(low, 0.0, np.zeros(len(scores), np.uint16))
    limits = EDGES if threshold is None else np.append(EDGES, threshold)
    limits = np.unique(limits[(limits > low) & (limits <= values[-1])])
    codes = _codes(values, limits, low, step) if np.isfinite(step) and low + step > low else None
    return as_they_are(scores) if codes is None else Codes(low, step, codes.astype(np.uint16)[places])


def as_they_are(scores: np.ndarray) -> Codes:
    """Return the scores as codes of themselves, in the precision that they have."""
    return Codes(0.0, 1.0, scores.astype(np.float32 if scores.dtype.itemsize <= 4 else np.float64))


def _codes(values: np.ndarray, limits: np.ndarray, low: float, step: float) -> np.ndarray | None:
    """Return rising codes of rising values, each on its own side of every limit; None where they do not fit.

    Nearest codes first; then those that are not above the one before are moved up, and from the end back down.
    """
    firsts = np.concatenate([[0], _first_codes(limits, low, step), [TOP + 1]])  # of each part between two limits
    part = np.searchsorted(limits, values, side="right")
    lowest, highest = firsts[part], firsts[part + 1] - 1
    order = np.arange(len(values))
    nearest = np.clip(np.rint((values - low) / step).astype(np.int64), lowest, highest)
    rising = np.maximum.accumulate(nearest - order) + order
    ceiling = np.minimum.accumulate((highest - order)[::-1])[::-1] + order
    codes = np.minimum(rising, ceiling)
    fits = bool((codes >= lowest).all()) and np.abs(codes - nearest).mean() <= MOST_MOVED
    return codes if fits else None


def _first_codes(limits: np.ndarray, low: float, step: float) -> np.ndarray:
    """Return the first code of each limit whose score is not below it, exactly as `Codes.scores` computes it."""
    first = np.ceil((limits - low) / step).astype(np.int64)
    first += low + step * first < limits
    return np.asarray(first - (low + step * (first - 1) >= limits))
