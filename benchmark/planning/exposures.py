"""Exposures of a cell: all data that trained or selected its weights and probe, as far as cards and recipes know it.

Sources are the recipe of weights made here, the card beside a weights file, the card of a published method, what the
suite declares (`trained_on`), and the dataset that a transferred probe learnt from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.data.labels.contamination import Exposure, State
from benchmark.planning.plan import Cell
from benchmark.planning.pretrained import CARD
from benchmark.registry import METHODS

SAW, CHOICE = "its weights saw", "its weights were chosen by labels of"
CHOICES = {"val_loss": "its weights were chosen by their loss on", "zero_shot_val": CHOICE}  # by `select` of a recipe


@dataclass(frozen=True)
class Remark:
    """A statement about weights beside their exposures."""

    state: State
    reason: str


WITHOUT_WEIGHTS = Remark("clean", "it comes without weights: before this task it has seen no recording")
SAW_NOTHING = Remark("clean", "by the suite, its weights saw no recording")
NOT_SAID = Remark("unknown", "neither the card nor the suite (trained_on) says what its weights saw")
NOT_PUBLISHED = Remark(
    "unknown",
    "the file is not known to be the published one, of which the card speaks: say trained_on in the suite",
)


@dataclass(frozen=True)
class Sources:
    """The exposures of a cell's weights and probe, with remarks."""

    exposures: tuple[Exposure, ...] = ()
    remarks: tuple[Remark, ...] = ()


def sources_of(cell: Cell) -> Sources:
    """Return the exposures of a cell, without reading a recording."""
    weights, source = _of_weights(cell), cell.spec.source
    if source is None:
        return weights
    probe = Exposure("its probe learnt from", source["dataset"], ("train", "val"), source["dataset_config"], here=True)
    return Sources((*weights.exposures, probe), weights.remarks)


def _of_weights(cell: Cell) -> Sources:
    by_suite = tuple(Exposure.of(SAW, name) for name in cell.trained_on or ())
    if cell.spec.pretraining is not None:
        return Sources((*_of_recipe(cell.spec.pretraining, here=True), *by_suite))
    card = _card_beside(cell)
    if card is not None:
        return Sources((*_of_recipe(card["recipe"], digest=card.get("data_digest")), *by_suite))
    if cell.spec.weights is not None:
        return _of_file(cell, by_suite)
    return Sources(by_suite) if by_suite else Sources(remarks=(WITHOUT_WEIGHTS,))


def _of_recipe(recipe: Mapping[str, Any], here: bool = False, digest: str | None = None) -> list[Exposure]:
    """Return the data that a pre-training reads: train, and validation where it selected the epoch."""
    name, config = recipe["dataset"], recipe["dataset_config"]
    corpus = Exposure(SAW, name, ("train",), config, here, digest)
    choice = CHOICES.get(recipe["training"].get("select", "last"))
    if choice is None:
        return [corpus]
    if "select_on" not in recipe:
        return [corpus, Exposure(choice, name, ("val",), config, here, digest)]
    places = {entry["dataset"]: entry["dataset_config"] for entry in recipe["select_on"]}
    return [corpus, *(Exposure(choice, place, ("val",), own, here) for place, own in places.items())]


def _of_file(cell: Cell, by_suite: tuple[Exposure, ...]) -> Sources:
    """Return what weights from a file saw; a method's card describes published weights, known by their checksum."""
    card = METHODS.get(cell.spec.method).card
    published = cell.spec.weights in {weights.sha256 for weights in card.weights.values()}
    if cell.trained_on is not None and not published:
        return Sources(by_suite) if by_suite else Sources(remarks=(SAW_NOTHING,))
    training = [Exposure.of(SAW, name) for name in card.trained_on]
    choice = [Exposure.of(CHOICE, name) for name in card.selected_on]
    remarks = [] if published else [NOT_PUBLISHED]
    if not training and not by_suite:
        remarks = [NOT_SAID]
    return Sources((*training, *choice, *by_suite), tuple(remarks))


def _card_beside(cell: Cell) -> dict[str, Any] | None:
    """Return the card, with a recipe, beside a weights file that a pre-training of this project made; else None."""
    if cell.weights_file is None:
        return None
    try:
        card: dict[str, Any] = json.loads((Path(cell.weights_file).parent / CARD).read_text("utf-8"))
        recipe = card["recipe"]
        whole = isinstance(recipe["dataset_config"], dict) and isinstance(recipe["training"], dict)
        return card if whole and isinstance(recipe["dataset"], str) and card["sha256"] == cell.spec.weights else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
