"""Numbers of a row on resamples of patients and of trainings, for statistics over many questions."""

from __future__ import annotations

import math

import numpy as np

from benchmark.canonical import digest
from benchmark.leaderboard.summary import Entry
from benchmark.metrics.paired import Sample, between_members, patients_by_member

SEED = 0


def resampled_values(entry: Entry) -> np.ndarray | None:
    """Return the entry's number on each resample of patients and of its trainings, ``(resamples,)``; None without them.

    A row has the same draws of its trainings in every question, since these are the same trainings. Rows are trained
    apart, so each has draws of its own: equal ones would pair the first training of one with the first of another.
    """
    sample = entry.sample
    return None if sample is None else redrawn(sample, entry.row)


def redrawn(sample: Sample, row: str) -> np.ndarray:
    """Return the row's number on resamples of patients, with the luck of its trainings drawn anew, ``(resamples,)``.

    Drawing M members with replacement would not do: of three, 95 % intervals hold the truth in 81 %. The mean over
    members has a t distribution with M - 1 degrees of freedom instead, as in `benchmark.metrics.paired`. It is drawn as
    a combination of the members' departures with normal weights, so that a training that is good at one question and
    bad at another is so in every draw (multivariate t; Kotz and Nadarajah, 2004, chapter 1). What members make of these
    patients varies with the resamples already and is taken out of their departures.
    """
    count, resamples = sample.resampled.shape
    mean = sample.resampled.mean(axis=0, dtype=np.float64)
    if count == 1:
        return mean
    random = np.random.default_rng([SEED, int(digest(row, 16), 16)])
    weights = random.standard_normal((count, resamples)) / np.sqrt(random.chisquare(count - 1, resamples) * count)
    departures = sample.members - sample.members.mean()
    return np.asarray(mean + _share_of_trainings(sample) * (departures @ weights))


def _share_of_trainings(sample: Sample) -> float:
    """Return the part of the members' standard deviation that the resamples of patients do not hold as well."""
    usable = sample.resampled[:, np.isfinite(sample.resampled).all(axis=0)]
    variance = between_members(sample.members)[0]
    if variance == 0 or usable.shape[1] < 2:
        return 1.0
    return math.sqrt(max(1 - patients_by_member(np.asarray(usable, np.float64)) / variance, 0.0))
