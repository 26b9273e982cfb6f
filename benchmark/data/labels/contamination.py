"""Contamination according to the cards: datasets that hold each other's recordings, and cases that prove exposure.

Cards list the training data of weights (`MethodCard.trained_on`, or the recipe of weights trained here) and the
collections that contain a dataset (`DatasetCard.derives_from`). Names can prove that test recordings were seen, never
that they were not: only recordings can show that (`benchmark.planning.contamination`). A name is a whole dataset or
collection, or one split of a dataset as this project divides it: ``ptbxl:train``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.api import SPLITS
from benchmark.registry import DATASETS

State = Literal["clean", "contaminated", "unknown"]
Relation = Literal["same", "contains", "part", "none", "unknown"]

# Datasets and collections with the collections that contain them (PhysioNet/CinC Challenges 2020 and 2021).
# A name that is neither listed here nor a dataset of the registry is unknown.
CONTAINED_IN: Mapping[str, tuple[str, ...]] = {
    "physionet2021": (),
    "physionet2020": ("physionet2021",),
    "incart": ("physionet2020",),
    "chapman_shaoxing": ("csn",),
    "ningbo": ("csn",),
    "cpsc2018": ("physionet2020",),
    "csn": ("physionet2021",),
    "code": (),
    "heedb": (),
    "mimic_iv_ecg": (),
}


@dataclass(frozen=True)
class Verdict:
    """A verdict on whether a cell's test recordings were seen before, with its reasons."""

    state: State
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"state": self.state, "reasons": list(self.reasons)}

    def __str__(self) -> str:
        return f"{self.state}: {'; '.join(self.reasons)}"


@dataclass(frozen=True)
class Exposure:
    """Recordings used to train or select a cell's model: a dataset or collection, whole or some of its splits.

    `how` begins the sentence about it ("its weights saw"). `config` holds the options of the dataset; None means
    default or unknown. `here` means that the data seen is whatever is prepared here with these options;
    otherwise, `digest` identifies the prepared data that was seen, if known.
    """

    how: str
    name: str
    splits: tuple[str, ...] = ()  # none: all of it
    config: Mapping[str, Any] | None = None
    here: bool = False
    digest: str | None = None

    @classmethod
    def of(cls, how: str, name: str) -> Exposure:
        """Parse ``ptbxl`` or ``ptbxl:train``; a set without a loader here always counts as a whole."""
        dataset, _, split = name.partition(":")
        return cls(how, dataset, (split,) if split in SPLITS and dataset in DATASETS.names() else ())

    def __str__(self) -> str:
        """Return ``its weights saw the train and val splits of ptbxl``, for example."""
        plural = "s" if len(self.splits) > 1 else ""
        part = f"the {' and '.join(self.splits)} split{plural} of " if self.splits else ""
        return f"{self.how} {part}{self.name}"


def relation(dataset: str, other: str) -> Relation:
    """Return how `other` relates to `dataset` by the cards: the same, containing it, a part of it, none or unknown."""
    if other == dataset:
        return "same"
    if parents(other) is None:
        return "unknown"
    if other in containers(dataset):
        return "contains"
    return "part" if dataset in containers(other) else "none"


def describe(related: Relation, dataset: str) -> str:
    """Return the clause ``, which contains ptbxl`` to append to the other's name; "" for other relations."""
    words = {"contains": f", which contains {dataset}", "part": f", which is a part of {dataset}"}
    return words.get(related, "")


def proof(
    exposure: Exposure, related: Relation, dataset: str, tested_splits: tuple[str, ...] = ("test",)
) -> str | None:
    """Return why the cards alone prove that test recordings of `dataset` were seen; None if they do not.

    `tested_splits` are those that hold recordings which the cell is tested on.
    """
    if related == "same" and (not exposure.splits or "test" in exposure.splits):
        return f"{exposure.how} {dataset} itself, test recordings not excepted"
    if related == "same" and set(exposure.splits) & set(tested_splits):
        return f"{exposure}, where recordings of the tested folds lie"
    if related in ("contains", "part") and not exposure.splits:
        return f"{exposure}{describe(related, dataset)}"
    return None


def parents(name: str) -> tuple[str, ...] | None:
    """Return the collections that directly contain a dataset; None for an unknown name."""
    collections = CONTAINED_IN.get(name)
    if DATASETS.registered(name) is not None or name in DATASETS.names():
        return (*DATASETS.get(name).card.derives_from, *(collections or ()))
    return collections


def containers(name: str) -> set[str]:
    """Return a dataset and everything that contains it."""
    names, ahead = {name}, [name]
    while ahead:
        for parent in parents(ahead.pop()) or ():
            if parent not in names:
                names.add(parent)
                ahead.append(parent)
    return names
