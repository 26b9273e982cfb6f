"""From records to one line per entry of a table: mean over subset seeds, spread, interval, what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

from benchmark.engine.plan import Cell, Plan
from benchmark.engine.records import RunRecord
from benchmark.engine.store import Store
from benchmark.errors import DataError, raise_all

SEED = "seed"  # the field over which an entry averages


@dataclass
class Entry:
    """One place of a table: a row's answers to one question, over all seeds."""

    row: str
    task: str
    dataset: str
    label_set: str
    variant: dict[str, Any]  # the task's fields but for the seed
    records: list[RunRecord] = field(default_factory=list)
    failed: int = 0
    missing: int = 0

    @property
    def column(self) -> tuple[Any, ...]:
        return tuple(self.variant.items())

    @property
    def values(self) -> list[float]:
        return [record.metrics[record.primary] for record in self.records if record.primary in record.metrics]

    @property
    def complete(self) -> bool:
        return bool(self.values) and not self.failed and not self.missing

    @property
    def mean(self) -> float:
        return mean(self.values)

    @property
    def spread(self) -> float | None:
        """Standard deviation over subset seeds; None for a single one."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Test sampling: the mean over seeds of the 95 % patient-bootstrap bounds."""
        bounds = [record.intervals[record.primary] for record in self.records if record.primary in record.intervals]
        return (mean(low for low, _ in bounds), mean(high for _, high in bounds)) if bounds else None


def summarise(plan: Plan, store: Store) -> list[Entry]:
    """Entries in the order of the suite; raises when the records of a dataset come from different data."""
    entries: dict[tuple[Any, ...], Entry] = {}
    for cell in plan.cells:
        entry = entries.setdefault(_place(cell), _entry(cell))
        record = store.get(cell.spec)
        if record is None:
            entry.missing += 1
        elif record.done:
            entry.records.append(record)
        else:
            entry.failed += 1
    found = list(entries.values())
    _refuse_mixtures(record for entry in found for record in entry.records)
    return found


def _entry(cell: Cell) -> Entry:
    spec = cell.spec
    variant = {name: value for name, value in cell.question.items() if name != SEED}
    return Entry(cell.row, spec.task, spec.dataset, spec.label_set, variant)


def _place(cell: Cell) -> tuple[Any, ...]:
    entry = _entry(cell)
    return (entry.row, entry.task, entry.dataset, entry.label_set, entry.column)


def _refuse_mixtures(records: Iterable[RunRecord]) -> None:
    digests: dict[str, set[str]] = {}
    for record in records:
        digests.setdefault(record.spec["dataset"], set()).add(str(record.data_digest))
    problems = [
        f"{dataset}: records from {len(found)} different preparations ({', '.join(sorted(found))}); "
        "run the suite again, which makes the stale ones anew"
        for dataset, found in digests.items()
        if len(found) > 1
    ]
    raise_all(problems, "a table never mixes data:", DataError)


def varying(entries: list[Entry]) -> list[str]:
    """The fields of a task that differ between its entries: what the columns must say."""
    names = [name for name in entries[0].variant if len({str(entry.variant[name]) for entry in entries}) > 1]
    return names or list(entries[0].variant)[:1]


def column_title(entry: Entry, names: list[str]) -> str:
    """``1 %`` for a label fraction; later fields bring their name (``en, centre classes``) unless they are ``none``."""
    parts = []
    for name in names:
        value = entry.variant[name]
        text = f"{value:.0%}".replace("%", " %") if name == "fraction" else str(value)
        if name == names[0]:
            parts.append(text)
        elif text != "none":
            parts.append(f"{name} {text}")
    return ", ".join(parts)
