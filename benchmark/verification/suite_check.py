"""All records of a suite against their predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import MissingError
from benchmark.paths import Home
from benchmark.planning.plan import Cell, Plan
from benchmark.records.record import UnusableRecordError
from benchmark.records.store import Store
from benchmark.verification.predictions import BesideRecords, Published, Source
from benchmark.verification.recomputation import CellCheck, check_cell
from benchmark.verification.truths import Truths


@dataclass(frozen=True)
class SuiteCheck:
    """The checks of a suite's cells, one each, and the deviation up to which numbers count as the same."""

    checks: list[CellCheck]
    tolerance: float

    def of(self, state: str) -> list[CellCheck]:
        return [check for check in self.checks if check.state(self.tolerance) == state]

    @property
    def agrees(self) -> bool:
        """Whether some cell was verified and none differs."""
        return bool(self.of("agrees")) and not self.of("differs")


def check_suite(plan: Plan, store: Store, home: Home, predictions: Path | None, tolerance: float) -> SuiteCheck:
    """Check every cell of a plan, with predictions from a file or, without one, from beside the records.

    Raises `MissingError` where there is no record at all, and `DataError` for a damaged file of predictions.
    """
    truths = Truths(home)
    source = BesideRecords(store, truths) if predictions is None else Published(predictions, truths)
    checks = [_check(cell, store, source) for cell in plan.cells]
    if all(check.problem == NO_RECORD for check in checks):
        raise MissingError(f"{store.root} has no record of {plan.suite.name}; --records names a file or folder of them")
    return SuiteCheck(checks, tolerance)


NO_RECORD, NOT_DONE = "there is no record of it", "its record is that of a failed cell"


def _check(cell: Cell, store: Store, source: Source) -> CellCheck:
    try:
        record = store.read(cell.spec)
    except UnusableRecordError as error:
        return CellCheck(cell.title, cell.spec.key, problem=f"its record cannot be used: {error}", foreign=True)
    if record is None or not record.done:
        return CellCheck(cell.title, cell.spec.key, problem=NOT_DONE if record else NO_RECORD)
    return check_cell(cell.title, cell.spec, record, store, source)
