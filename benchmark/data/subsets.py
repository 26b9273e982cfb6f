"""Label subsets: nested, drawn by patient, stratified over labels with a floor, seeded, with a digest.

One seeded order of the training patients serves every fraction: a subset is a prefix of it, so 1 % lies
inside 10 % and 10 % inside 100 %. The order knows labels and patients only, never a method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.canonical import digest

FLOOR_FRACTION = 0.01  # from this fraction on, every label that has a positive keeps at least one


@dataclass(frozen=True)
class Subset:
    """A part of the training split: `rows` are positions in it, in ascending order."""

    fraction: float
    seed: int
    rows: np.ndarray
    positives: dict[str, int]
    digest: str  # of the record ids

    def manifest(self, record_ids: Sequence[str]) -> dict[str, Any]:
        """What is stored: enough to check the subset and to use it elsewhere."""
        return {**self.summary(), "record_ids": [record_ids[row] for row in self.rows]}

    def summary(self) -> dict[str, Any]:
        return {
            "fraction": self.fraction,
            "seed": self.seed,
            "n": len(self.rows),
            "positives": self.positives,
            "digest": self.digest,
        }


def draw(
    record_ids: Sequence[str],
    patient_ids: Sequence[str],
    labels: np.ndarray,
    classes: Sequence[str],
    fraction: float,
    seed: int,
) -> Subset:
    """Draw `fraction` of a training split.

    `labels` is ``(record, class)``, 0 or 1. The subset holds whole patients, so its size exceeds
    ``fraction * n`` by less than one patient's recordings. Raises ValueError for a fraction outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"a label fraction lies above 0 and up to 1, it is {fraction}")
    patients, patient_of = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    order = patient_order(patient_of, labels, len(patients), seed)
    sizes = np.bincount(patient_of, minlength=len(patients))
    wanted = round(fraction * len(record_ids))
    taken = np.searchsorted(np.cumsum(sizes[order]), max(wanted, 1)) + 1
    rows = np.flatnonzero(np.isin(patient_of, order[:taken]))
    positives = {name: int(count) for name, count in zip(classes, labels[rows].sum(axis=0), strict=True)}
    return Subset(fraction, seed, rows, positives, digest([str(record_ids[int(row)]) for row in rows]))


def draw_recordings(
    record_ids: Sequence[str], labels: np.ndarray, classes: Sequence[str], fraction: float, seed: int
) -> Subset:
    """Draw `fraction` of the recordings evenly, whoever's they are and whatever their labels, as published code does.

    (Such code calls scikit-learn's `train_test_split`; the draw here is numpy's, so the recordings differ.)
    """
    size = max(int(fraction * len(record_ids)), 1)
    rows = np.sort(np.random.default_rng(seed).permutation(len(record_ids))[:size])
    positives = {name: int(count) for name, count in zip(classes, labels[rows].sum(axis=0), strict=True)}
    return Subset(fraction, seed, rows, positives, digest([str(record_ids[int(row)]) for row in rows]))


def patient_order(patient_of: np.ndarray, labels: np.ndarray, patients: int, seed: int) -> np.ndarray:
    """Order patients so that every prefix is stratified; ``patient_of`` maps records to patients.

    A patient's stratum is the rarest label that he has. Within a stratum of m patients, the i-th of a
    random order gets the rank (i + u) / m with one random u per stratum: a prefix that reaches rank r
    holds r * m of them, give or take one. Then the floor: a label with no positive among the first
    FLOOR_FRACTION of the records moves one random patient who has it to the front.
    """
    random = np.random.default_rng(seed)
    has = np.zeros((patients, labels.shape[1]), bool)
    np.logical_or.at(has, patient_of, labels.astype(bool))
    rarity = has.sum(axis=0)
    stratum = np.where(has, rarity, patients + 1).argmin(axis=1)
    stratum[~has.any(axis=1)] = labels.shape[1]
    rank = np.empty(patients)
    for name in np.unique(stratum):
        members = random.permutation(np.flatnonzero(stratum == name))
        rank[members] = (np.arange(len(members)) + random.random()) / len(members)
    order = np.argsort(rank, kind="stable")
    return _with_floor(order, has, patient_of, random)


def _with_floor(order: np.ndarray, has: np.ndarray, patient_of: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Move patients to the front until the smallest subset covers every label that has a positive."""
    sizes = np.bincount(patient_of, minlength=len(order))
    wanted = max(round(FLOOR_FRACTION * len(patient_of)), 1)
    rarity = has.sum(axis=0)
    for _ in range(has.shape[1]):  # each round covers at least one label; those moved are never moved back
        head = order[: np.searchsorted(np.cumsum(sizes[order]), wanted) + 1]
        uncovered = np.flatnonzero((rarity > 0) & ~has[head].any(axis=0))
        if not len(uncovered):
            break
        rarest = uncovered[rarity[uncovered].argmin()]  # first, because its patient may cover others
        chosen = random.choice(np.flatnonzero(has[:, rarest]))
        order = np.concatenate([[chosen], order[order != chosen]])
    return order
