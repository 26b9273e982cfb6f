"""The question of a cell: method, task, dataset and label set with their configurations, and the key made of them.

The key is the digest of the fields that affect the score and of nothing else: device, workers, paths and batch sizes
of inference never enter it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from benchmark import canonical
from benchmark.api import PROTOCOL as PROTOCOL

LATER = ("signal", "source", "training_seed")  # fields of RunSpec that came after the first records


@dataclass(frozen=True)
class RunSpec:
    """One cell of the grid. All values are plain JSON, so that a spec travels to any worker.

    Each `..._config` holds the options that differ from their defaults (see `configuration.distinct`).
    """

    method: str
    method_version: int
    method_config: dict[str, Any]
    task: str
    task_version: int
    task_config: dict[str, Any]
    dataset: str
    dataset_version: int
    dataset_config: dict[str, Any]
    label_set: str
    task_inputs: dict[str, str] = field(default_factory=dict)  # digests of files that the fields name
    weights: str | None = None  # sha256 of a checkpoint file
    pretraining: dict[str, Any] | None = None  # recipe of weights made here
    training: dict[str, Any] | None = None  # how a supervised method is trained on the subset
    protocol: str = PROTOCOL
    limit: int | None = None  # recordings per split; a record with a limit is partial
    signal: dict[str, Any] | None = None  # the condition under which signals are read; None: as recorded
    source: dict[str, Any] | None = None  # another dataset to learn from: dataset, dataset_version, ..., label_set
    training_seed: int | None = None  # of a supervised method, beside the question's own seed; None: that one alone

    @functools.cached_property
    def key(self) -> str:
        return canonical.digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON; later ones are left out at their default, so that older keys hold."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value for name, value in values.items() if value is not None or name not in LATER}


def cost_recipe(
    method_config: dict[str, Any], training: dict[str, Any] | None, task_config: dict[str, Any]
) -> tuple[str, str]:
    """Return digests of the options that decide a cell's time beside its recordings: its method's and its task's."""
    question = {name: value for name, value in task_config.items() if name not in ("seed", "fraction")}
    return canonical.digest([method_config, training], 8), canonical.digest(question, 8)


def datasets_of_recipe(recipe: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return name and configuration of the dataset that a pre-training reads, and of those that choose its epoch."""
    choosing = [(entry["dataset"], entry["dataset_config"]) for entry in recipe.get("select_on", ())]
    return [(recipe["dataset"], recipe["dataset_config"]), *choosing]


def datasets_of(spec: RunSpec) -> list[tuple[str, dict[str, Any]]]:
    """Return name and configuration of the cell's dataset, and of the other one that its task learns from."""
    source = [(spec.source["dataset"], spec.source["dataset_config"])] if spec.source else []
    return [(spec.dataset, spec.dataset_config), *source]


def values_key(spec: RunSpec) -> str:
    """Return the digest that names the cell's label set where digests of values at hand are listed."""
    return canonical.digest([spec.dataset, spec.dataset_config, spec.label_set])
