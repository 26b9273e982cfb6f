"""Numbers of a row on resamples of patients and of trainings, for statistics over many questions."""

from __future__ import annotations

import math

import numpy as np

from benchmark.leaderboard.summary import Entry
from benchmark.metrics.paired import Sample

SEED = 0


def resampled_values(entry: Entry) -> np.ndarray | None:
    """Return the entry's number on each resample of patients and of its trainings, ``(resamples,)``; None without them.

    Trainings are drawn with replacement. That finds only (M - 1) / M of the variance between M members, so their
    departures from the mean are stretched by the root of its inverse.
    """
    sample = entry.sample
    return None if sample is None else _draw(sample)


def _draw(sample: Sample) -> np.ndarray:
    count, resamples = sample.resampled.shape
    mean = sample.resampled.mean(axis=0, dtype=np.float64)
    if count == 1:
        return mean
    choice = np.random.default_rng(SEED).integers(count, size=(count, resamples))
    departures = np.take_along_axis(sample.resampled, choice, axis=0).mean(axis=0) - mean
    return np.asarray(mean + departures * math.sqrt(count / (count - 1)))
