"""Weights made here whose data has been prepared anew since: numbers with them are of other data than is at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmark.canonical import digest
from benchmark.data.store.preparation import open_dataset
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from benchmark.planning.plan import Plan
from benchmark.planning.pretrained import read_card
from benchmark.records.spec import datasets_of_recipe


def outlived_weights(plan: Plan, home: Home) -> dict[str, str]:
    """Return by folder why weights are of other data than is prepared now; those that are not have no entry."""
    recipes = {cell.weights_folder: cell.spec.pretraining for cell in plan.cells if cell.weights_folder}
    digests: dict[str, str] = {}
    reasons = {}
    for folder, recipe in recipes.items():
        card = None if recipe is None else read_card(home.pretrained / str(folder))
        if recipe is not None and card is not None and (reason := "; ".join(_reasons(recipe, card, home, digests))):
            reasons[str(folder)] = reason
    return reasons


def _reasons(recipe: Mapping[str, Any], card: Mapping[str, Any], home: Home, digests: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each dataset of a recipe that has changed; `digests` keeps those that are prepared."""
    then = [card.get("data_digest"), *(entry.get("data_digest") for entry in card.get("selected_on", ()))]
    for (name, config), before in zip(datasets_of_recipe(recipe), then, strict=False):
        place = digest([name, config])
        if place not in digests:
            digests[place] = _digest_now(name, config, home)
        if before and digests[place] and before != digests[place]:
            yield f"its weights were made from other data of {name} ({before}) than is prepared now ({digests[place]})"


def _digest_now(name: str, config: dict[str, Any], home: Home) -> str:
    """Return the digest of a prepared dataset; "" for one that is not prepared, or cannot be read."""
    try:
        return open_dataset(name, config, home).digest
    except BenchmarkError:
        return ""
