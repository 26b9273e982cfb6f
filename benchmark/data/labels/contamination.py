"""The leak gate: have a method's weights seen the recordings that a cell tests it on?

Cards say what weights saw (`MethodCard.trained_on`, or the recipe of weights made here) and what datasets derive from
(`DatasetCard.derives_from`); here one is held against the other. A name is a dataset or a collection, whole, or one
split of a dataset as this project divides it: ``ptbxl:train``. `benchmark.engine.caveats` adds what the recordings say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.api import SPLITS, MethodCard
from benchmark.registry import DATASETS

State = Literal["clean", "contaminated", "unknown"]
SEVERITY: tuple[State, ...] = ("clean", "unknown", "contaminated")

# Sets and collections that no loader here reads, and what contains them (PhysioNet/CinC Challenges 2020 and 2021).
# A name that is neither here nor a dataset of the registry is unknown.
CONTAINED_IN: Mapping[str, tuple[str, ...]] = {
    "physionet2021": (),
    "physionet2020": ("physionet2021",),
    "cpsc2018_extra": ("physionet2020",),
    "georgia": ("physionet2020",),
    "incart": ("physionet2020",),
    "ptb": ("physionet2020",),
    "chapman_shaoxing": ("csn",),
    "ningbo": ("csn",),
    "cpsc2018": ("physionet2020",),
    "csn": ("physionet2021",),
    "code": (),
    "code15": ("code",),
    "heedb": (),
    "mimic_iv_ecg": (),
}


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a cell, and why."""

    state: State
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"state": self.state, "reasons": list(self.reasons)}

    def __str__(self) -> str:
        return f"{self.state}: {'; '.join(self.reasons)}"


def join(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst state of several verdicts, with the reasons of all."""
    found = list(verdicts)
    worst = max((verdict.state for verdict in found), key=SEVERITY.index)
    reasons = [reason for verdict in found for reason in verdict.reasons]
    return Verdict(worst, tuple(dict.fromkeys(reasons)))


def parents(name: str) -> tuple[str, ...] | None:
    """What directly contains a dataset; None for a name that nothing is known of."""
    known = CONTAINED_IN.get(name)
    if name in DATASETS.names():
        return (*DATASETS.get(name).card.derives_from, *(known or ()))
    return known


def containers(name: str) -> set[str]:
    """A dataset and everything that contains it."""
    found, ahead = {name}, [name]
    while ahead:
        for parent in parents(ahead.pop()) or ():
            if parent not in found:
                found.add(parent)
                ahead.append(parent)
    return found


def judge(dataset: str, seen: str, verb: str = "saw", who: str = "its weights") -> Verdict:
    """Hold one thing that weights `saw` (or were chosen on) against the dataset whose test split is in question."""
    name, _, split = seen.partition(":")
    if name == dataset and split in SPLITS and split != "test":
        reason = f"{who} {verb} the {split} split of {dataset}, which shares no patient with test"
        return Verdict("clean", (reason,))
    if name == dataset:
        return Verdict("contaminated", (f"{who} {verb} {dataset} itself, test recordings not excepted",))
    if parents(name) is None:
        return Verdict("unknown", (f"{who} {verb} {name}, of which nothing is known here",))
    if name in containers(dataset):
        return Verdict("contaminated", (f"{who} {verb} {name}, which contains {dataset}",))
    if dataset in containers(name):
        return Verdict("contaminated", (f"{who} {verb} {name}, which is a part of {dataset}",))
    return Verdict("clean", (f"{who} {verb} {name}, which shares no recording with {dataset}",))


def judge_published(dataset: str, card: MethodCard, sha256: str, declared: Iterable[str] | None = None) -> Verdict:
    """Weights from a file: by what the suite declares, else by the card; a checksum that it lacks leaves doubt."""
    if declared is not None:
        given = [judge(dataset, name) for name in declared]
        return join(given) if given else Verdict("clean", ("by the suite, its weights saw no recording",))
    if not card.trained_on:
        return Verdict("unknown", ("neither the card nor the suite (trained_on) says what its weights saw",))
    trained = [judge(dataset, name) for name in card.trained_on]
    said = join([*trained, *(_selected(dataset, name) for name in card.selected_on)])
    if sha256 in {weights.sha256 for weights in card.weights.values()} or said.state == "contaminated":
        return said
    doubt = "the file is not known to be the published one, of which the card speaks: say trained_on in the suite"
    return Verdict("unknown", (*said.reasons, doubt))


def _selected(dataset: str, name: str) -> Verdict:
    """Being chosen by labels matters where those of the tested dataset were among them."""
    found = judge(dataset, name, "were chosen by labels of")
    return found if name.partition(":")[0] == dataset or found.state != "clean" else Verdict("clean", ())


def untouched() -> Verdict:
    return Verdict("clean", ("it comes without weights: before this task it has seen no recording",))
