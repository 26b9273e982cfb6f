"""Predictions gathered from a home into one file to publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.api import Truth
from benchmark.paths import Home
from benchmark.planning.plan import Cell
from benchmark.records.predictions_file import CellPredictions, PredictionsFile, write_predictions
from benchmark.records.store import Store
from benchmark.verification.predictions import UnverifiableError, to_publish
from benchmark.verification.truths import Truths


@dataclass
class Collected:
    """What a file of predictions holds now, and why cells are not among them."""

    cells: int = 0
    size: int = 0  # bytes of the file
    left_out: Counter[str] = field(default_factory=Counter)


def collect_predictions(cells: Iterable[Cell], store: Store, home: Home, out: Path) -> Collected:
    """Write the predictions of cells that have some; those of other cells that the file holds already stay in it.

    Raises `DataError` for predictions that were changed after they were written.
    """
    truths, outcome = Truths(home), Collected()
    rows: dict[str, CellPredictions] = {}
    tests: dict[str, Truth] = {}
    if out.exists():
        present = PredictionsFile(out)
        rows, tests = {cell.key: cell for cell in present.all_cells()}, dict(present.tests)
    for cell in cells:
        try:
            row, truth = _predictions(cell, store, truths)
        except UnverifiableError as error:
            outcome.left_out[str(error)] += 1
            continue
        rows[row.key], tests[row.test] = row, truth
    if rows:
        write_predictions(out, rows.values(), tests)
        outcome.cells, outcome.size = len(rows), out.stat().st_size
    return outcome


def _predictions(cell: Cell, store: Store, truths: Truths) -> tuple[CellPredictions, Truth]:
    record = store.read(cell.spec)
    if record is None or not record.done:
        raise UnverifiableError("there is no finished record of it")
    truth = truths.of(cell.spec, record)
    if truth is None:
        raise UnverifiableError(f"{cell.spec.dataset} is not prepared here as it was for the record")
    row = to_publish(store, cell.spec, record, cell.title, truth)
    return row, truth
