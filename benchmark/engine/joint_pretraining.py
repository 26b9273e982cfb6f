"""Pre-training of a run's weights on all processes that a launcher started (torchrun, say), before any cell.

The first process plans, prepares and later runs the cells; the others only train with it. The group of processes is
gone once the weights are there, so that no collective waits while cells are run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.engine import distributed
from benchmark.engine.events import EventSink, discard_event, naming_row
from benchmark.engine.outcome import error_of, failed_record
from benchmark.engine.preemption import stopping_on_signals
from benchmark.engine.pretraining import pretrain
from benchmark.errors import BenchmarkError, DiskError, UsageError
from benchmark.paths import Home
from benchmark.planning.plan import Cell, CellGroup
from benchmark.records.store import Store


def launched_processes() -> int:
    """Return how many processes a launcher started, this one among them; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this process is the one that plans and runs the cells."""
    return launched_processes() == 1 or os.environ.get("RANK", "0") == "0"


def refuse_launcher(executor: str) -> None:
    """Raise `UsageError` where a launcher started several processes that `executor` cannot use."""
    if launched_processes() > 1 and executor != "inline":
        raise UsageError(
            f"WORLD_SIZE is {launched_processes()}: a launcher started several processes, which pre-train together; "
            f"--executor {executor} starts its own, so give the command without the launcher"
        )


@dataclass(frozen=True)
class SharedRecipe:
    """Weights to train: what `pretrain` takes, and the row that they are for."""

    row: str
    method: str
    version: int
    config: dict[str, Any]
    recipe: dict[str, Any]


def pretrain_first(groups: Sequence[CellGroup], home: Home, device: str, on_event: EventSink) -> None:
    """Train the weights that `groups` need, together with the other processes of a launcher; alone, do nothing.

    A training that fails becomes the failure of its cells, and its error is raised: the other processes end with it.
    """
    if launched_processes() == 1:
        return
    cells = {cell.weights_folder: cell for group in groups for cell in group.cells if cell.weights_folder is not None}
    with distributed.process_group(device) as own_device, stopping_on_signals():
        recipes = distributed.everyone([_shared_recipe(cell) for cell in cells.values()])[0]
        for recipe, folder in zip(recipes, cells, strict=True):
            try:
                _train(recipe, home, own_device, naming_row(recipe.row, recipe.method, on_event))
            except BenchmarkError as error:
                if not isinstance(error, DiskError):
                    _store_failures(groups, folder, error, home)
                raise


def join_pretraining(home: Home, device: str) -> None:
    """Train with the first process whatever it trains; for all other processes of a launcher."""
    with distributed.process_group(device) as own_device, stopping_on_signals():  # SIGTERM ends the wait for the others
        no_recipes: list[SharedRecipe] = []
        for recipe in distributed.everyone(no_recipes)[0]:
            _train(recipe, home, own_device, discard_event)


def _shared_recipe(cell: Cell) -> SharedRecipe:
    spec = cell.spec
    assert spec.pretraining is not None
    return SharedRecipe(cell.row, spec.method, spec.method_version, spec.method_config, spec.pretraining)


def _train(recipe: SharedRecipe, home: Home, device: str, on_event: EventSink) -> None:
    pretrain(recipe.method, recipe.version, recipe.config, recipe.recipe, home, on_event, device)


def _store_failures(groups: Sequence[CellGroup], folder: str | None, error: BenchmarkError, home: Home) -> None:
    """Keep a failed training as the failure of every cell that needs its weights."""
    store = Store(home.records)
    for cell in (cell for group in groups for cell in group.cells if cell.weights_folder == folder):
        store.write(cell.spec, failed_record(cell, error_of(error), 0.0))
