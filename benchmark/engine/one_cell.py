"""One cell, run at once: the question is put together from arguments, and the method may be a class of a notebook."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from benchmark.api import Method
from benchmark.data.store.preparation import prepare
from benchmark.engine.events import EventSink
from benchmark.engine.run import run_group
from benchmark.errors import BenchmarkError, UsageError
from benchmark.paths import Home
from benchmark.planning.anew import set_aside_rows
from benchmark.planning.live_code import live_digest
from benchmark.planning.plan import Cell, CellGroup, Plan, make_plan
from benchmark.planning.source_digest import forget_code
from benchmark.planning.standing import DONE, code_now, standings_at
from benchmark.planning.suites import DatasetBlock, MethodBlock, Suite, TaskBlock
from benchmark.records.record import RunRecord
from benchmark.records.spec import datasets_of, datasets_of_recipe
from benchmark.records.store import Store
from benchmark.registry import METHODS


class CellError(BenchmarkError):
    """A cell that ended with an error; the message is its traceback's last line, the record holds all of it."""


@dataclass(frozen=True)
class Question:
    """A cell as arguments: names of a method, a task, a dataset and a label set, with the options of each."""

    method: str
    task: str
    dataset: str
    label_set: str
    method_block: dict[str, Any]  # further keys of the method's block in a suite: config, pretrain, weights ...
    task_config: dict[str, Any]
    dataset_config: dict[str, Any]
    limit: int | None = None

    def plan(self) -> Plan:
        """Return the plan of this one cell; raise `UsageError` for fields that make several or that are skipped."""
        suite = Suite(
            name="one-cell",
            title="One cell",
            version="1",
            datasets=[DatasetBlock(name=self.dataset, label_sets=[self.label_set], config=self.dataset_config)],
            tasks=[TaskBlock(name=self.task, config=self.task_config)],
            methods=[MethodBlock(name=self.method, **self.method_block)],
        )
        plan = make_plan(suite, [suite.methods[0].row], limit=self.limit)
        if len(plan.cells) != 1:
            reasons = "; ".join(skip.reason for skip in plan.skips)
            raise UsageError(
                f"these arguments make {len(plan.cells)} cells, not one" + (f": {reasons}" * bool(reasons))
            )
        return plan


def name_of_class(cls: type[Method]) -> str:
    """Return the name under which a class is registered; register a class that has none, by its own name.

    ``MyMethod`` becomes ``my_method``. A class whose code has no file gets a digest of its byte code, so that a cell
    is run anew when the class was changed. Raises `UsageError` for the name of a method that is not from a notebook.
    """
    name = next((name for name in METHODS.names() if METHODS.registered(name) is cls), None)
    if name is None:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        if name in METHODS.names() and METHODS.origin(name) != "registered at run time":
            raise UsageError(f"a method is called {name!r} already; give the class another name")
        METHODS.register(name)(cls)
    if METHODS.origin(name) == "registered at run time":
        cls.source_digest = live_digest(cls)  # type: ignore[attr-defined]
        forget_code()
        code_now.cache_clear()
    return name


def run_cell(question: Question, home: Home, device: str, on_event: EventSink) -> tuple[Cell, RunRecord]:
    """Return the cell and its record: the one in `home` if it is of the data and code at hand, else a new one.

    Datasets are prepared where they are not yet. Raises `CellError` where the cell fails.
    """
    plan = question.plan()
    cell = plan.cells[0]
    for name, config in _datasets(cell):
        prepare(name, config, home)
    if standings_at(plan, home).all[0].state != DONE:
        set_aside_rows(plan, home, [cell.row])
        run_group(CellGroup([cell]), home, device, on_event)
    record = Store(home.records).get(cell.spec)
    if record is None or not record.done:
        error = (record.error if record else None) or {"message": "its record cannot be read"}
        raise CellError(f"{cell.title} failed: {error['message']}")
    return cell, record


def _datasets(cell: Cell) -> list[tuple[str, dict[str, Any]]]:
    recipe = cell.spec.pretraining
    return [*datasets_of(cell.spec), *(datasets_of_recipe(recipe) if recipe else [])]
