"""What the cells of a group declare to read of the training split (`Task.examples`), so that one pass serves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

import numpy as np

from benchmark.api import Task, TaskContext
from benchmark.planning.plan import Cell
from benchmark.registry import TASKS

NONE = np.empty(0, np.intp)


def declares_examples(cell: Cell) -> bool:
    """Whether the cell's task says beforehand which recordings of train it reads; False for one that is not there."""
    try:
        return TASKS.get(cell.spec.task).examples is not Task.examples
    except Exception:  # the cell fails with it when it runs
        return False


def rows_of_examples(cells: Iterable[Cell], view_of: Callable[[Cell], tuple[TaskContext, np.ndarray]]) -> np.ndarray:
    """Return the rows of the dataset that any of the cells declares, ascending.

    `view_of` gives a cell's context, and the rows of its training split. A cell that fails here declares nothing: it
    fails again when it runs, and then has a record.
    """
    return np.unique(np.concatenate([NONE, *(_rows(cell, view_of) for cell in cells if declares_examples(cell))]))


def _rows(cell: Cell, view_of: Callable[[Cell], tuple[TaskContext, np.ndarray]]) -> np.ndarray:
    with suppress(Exception):
        context, train = view_of(cell)
        positions = TASKS.get(cell.spec.task)(**cell.spec.task_config).examples(context)
        return NONE if positions is None else train[positions]
    return NONE
