"""Label subsets: nested, drawn by patient, stratified, with a positive of every label, seeded, with a digest.

One seeded order of the training patients serves every fraction: a subset is a prefix of it, so 1 % lies
inside 10 % and 10 % inside 100 %. The order depends on labels and patients, never on a method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.canonical import digest

SUBSET_RULES = ("patients", "recordings", "merl")  # `draw`, `draw_recordings`, and `merl_subset.merl_subset`
FLOOR_FRACTION = 0.01  # from this fraction on, every label that has a positive keeps at least one


@dataclass(frozen=True)
class Subset:
    """A part of the training split: `rows` are positions in it, in ascending order."""

    fraction: float
    seed: int
    rows: np.ndarray
    positives: dict[str, int]
    digest: str  # of the record ids
    note: str = ""  # how it differs from the project's own subsets; every table shows it

    @classmethod
    def of(
        cls,
        rows: np.ndarray,
        record_ids: Sequence[str],
        labels: np.ndarray,
        classes: Sequence[str],
        fraction: float,
        seed: int,
        note: str = "",
    ) -> Subset:
        """Return the subset of these `rows` of a training split, however they were drawn."""
        positives = {name: int(count) for name, count in zip(classes, labels[rows].sum(axis=0), strict=True)}
        return cls(fraction, seed, rows, positives, digest([str(record_ids[int(row)]) for row in rows]), note)

    def manifest(self, record_ids: Sequence[str]) -> dict[str, Any]:
        """Return the stored form, which suffices to check the subset and to use it elsewhere."""
        return {**self.summary(), "record_ids": [record_ids[row] for row in self.rows]}

    def summary(self) -> dict[str, Any]:
        return {
            "fraction": self.fraction,
            "seed": self.seed,
            "n": len(self.rows),
            "positives": self.positives,
            "digest": self.digest,
            **({"note": self.note} if self.note else {}),
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
    ``fraction * n`` by less than one patient's recordings; by more only if `FLOOR_FRACTION` of the recordings
    cannot hold one positive of every label. Raises ValueError for a fraction outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"a label fraction lies above 0 and up to 1, it is {fraction}")
    patients, patient_of = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    order, moves = patient_order(patient_of, labels, len(patients), seed)
    sizes = np.bincount(patient_of, minlength=len(patients))
    count = _prefix(sizes[order], fraction * len(record_ids))
    if fraction >= FLOOR_FRACTION:
        count = max(count, moves)
    rows = np.flatnonzero(np.isin(patient_of, order[:count]))
    return Subset.of(rows, record_ids, labels, classes, fraction, seed)


def draw_recordings(
    record_ids: Sequence[str], labels: np.ndarray, classes: Sequence[str], fraction: float, seed: int
) -> Subset:
    """Draw `fraction` of the recordings uniformly, ignoring patients and labels, as published code does.

    (Such code calls scikit-learn's `train_test_split`; here numpy draws, so the recordings differ.)
    """
    size = max(int(fraction * len(record_ids)), 1)
    rows = np.sort(np.random.default_rng(seed).permutation(len(record_ids))[:size])
    return Subset.of(rows, record_ids, labels, classes, fraction, seed)


def first_of_each_class(
    record_ids: Sequence[str],
    patient_ids: Sequence[str],
    labels: np.ndarray,
    classes: Sequence[str],
    count: int,
    seed: int,
) -> Subset:
    """Draw `count` recordings of every class, each of another patient, in the order of the patients of `draw`.

    So the examples of few are among those of more, and those of a class come first in every subset that has them. A
    recording with several classes may serve each of them. A class with fewer patients gives all that it has.
    """
    if count < 1:
        raise ValueError(f"at least one example of a class is drawn, not {count}")
    patients, patient_of = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    order, _ = patient_order(patient_of, labels, len(patients), seed)
    place = np.empty(len(patients), np.int64)
    place[order] = np.arange(len(patients))
    rows: set[int] = set()
    for column in labels.T:
        positives = np.flatnonzero(column)
        _, first = np.unique(patient_of[positives], return_index=True)  # one recording of each patient
        examples = positives[first]
        rows.update(examples[np.argsort(place[patient_of[examples]], kind="stable")][:count].tolist())
    positions = np.array(sorted(rows), np.int64)
    return Subset.of(positions, record_ids, labels, classes, len(positions) / len(record_ids), seed)


def _prefix(sizes: np.ndarray, target: float) -> int:
    """Return how many of the first patients, with `sizes` recordings each, hold `target` recordings (at least one)."""
    return int(np.searchsorted(np.cumsum(sizes), max(round(target), 1))) + 1


def patient_order(patient_of: np.ndarray, labels: np.ndarray, patients: int, seed: int) -> tuple[np.ndarray, int]:
    """Order patients so that every prefix is stratified; ``patient_of`` maps records to patients.

    Returns the order and the number of patients that the floor moved to its front.

    A patient's stratum is that patient's rarest label. Within a stratum of m patients, the i-th of a
    random order gets the rank (i + u) / m with one random u per stratum: a prefix that reaches rank r
    holds r * m of them, give or take one. Then the floor: for each label without a positive among the first
    FLOOR_FRACTION of the records, one random patient who has it is moved to the front.
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


def _with_floor(
    order: np.ndarray, has: np.ndarray, patient_of: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Move patients to the front until the smallest subset covers every label that has a positive."""
    sizes = np.bincount(patient_of, minlength=len(order))
    rarity, moves = has.sum(axis=0), 0
    for _ in range(has.shape[1]):  # each round covers at least one label for good: those moved stay in the head
        head = order[: max(_prefix(sizes[order], FLOOR_FRACTION * len(patient_of)), moves)]
        uncovered = np.flatnonzero((rarity > 0) & ~has[head].any(axis=0))
        if not len(uncovered):
            break
        rarest = uncovered[rarity[uncovered].argmin()]  # first, because its patient may cover others
        candidate = random.choice(np.flatnonzero(has[:, rarest]))
        order = np.concatenate([[candidate], order[order != candidate]])
        moves += 1
    return order, moves
