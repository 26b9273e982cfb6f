"""From records to one line per entry of a table: mean over subset seeds, spread, interval, what is missing."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmark.canonical import digest
from benchmark.data.conditions import AS_RECORDED
from benchmark.engine.plan import Cell, Plan
from benchmark.engine.records import RunRecord
from benchmark.engine.store import Store
from benchmark.errors import DataError, raise_all
from benchmark.metrics.statistics import interval
from benchmark.registry import TASKS

SEED = "seed"  # the field over which an entry averages
SIGNAL = "signal"  # the variant's name for a condition under which signals were read
SHOWN = ("single_phrases", "chance", "reliability")  # parts of a record's analysis that notes and figures need


@dataclass(frozen=True, slots=True)
class Result:
    """What tables and figures need of a record; the rest of it (trials, subsets) would fill the memory."""

    key: str
    method: str
    seed: Any
    primary: str
    higher_is_better: bool
    metrics: dict[str, float]
    bounds: tuple[float, float] | None  # 95 % interval of the primary metric
    classes: tuple[str, ...]
    per_class: np.ndarray  # (class,) AUROC, NaN where it is undefined
    n: dict[str, int]
    seconds: float
    cost: dict[str, float]
    resampling: str  # digest: equal ones were drawn alike
    synthetic: bool
    partial: bool
    protocol: str
    data_digest: str
    trained_end_to_end: bool
    notes: tuple[str, ...]
    leak: dict[str, Any] | None
    provenance: dict[str, Any]
    source: tuple[str, str] | None = None  # another dataset that the task learnt from, and its digest
    analysis: dict[str, Any] = field(default_factory=dict)  # as much of the record's as notes and figures need
    signal: dict[str, Any] | None = None  # the condition under which signals were read; None: as recorded

    @classmethod
    def of(cls, record: RunRecord) -> Result:
        per_class = (values.get("auroc") for values in record.per_class.values())
        code, machine = record.provenance.get("code", {}), record.provenance.get("environment", {})
        return cls(
            key=record.key,
            method=record.spec["method"],
            seed=record.question.get(SEED),
            primary=record.primary,
            higher_is_better=record.higher_is_better,
            metrics=record.metrics,
            bounds=record.intervals.get(record.primary),
            classes=tuple(record.per_class),
            per_class=np.array([np.nan if value is None else value for value in per_class], np.float32),
            n=record.n,
            seconds=record.seconds,
            cost=record.cost,
            resampling=digest(record.resampling) if record.resampling else "",
            synthetic=record.synthetic,
            partial=record.partial,
            protocol=record.spec["protocol"],
            data_digest=str(record.data_digest),
            trained_end_to_end="trained" in record.details,
            notes=tuple(record.notes),
            leak=record.leak,
            provenance={
                "git": code.get("git"),
                "dirty": code.get("dirty"),
                "hardware": machine.get("gpu") or machine.get("cpu"),
                "torch": machine.get("packages", {}).get("torch"),
            },
            source=(record.spec["source"]["dataset"], record.source_digest) if record.source_digest else None,
            signal=record.spec.get("signal"),
            analysis={name: record.analysis[name] for name in SHOWN if name in record.analysis},
        )

    @property
    def value(self) -> float | None:
        """The primary metric, or None where it is undefined (the notes say why)."""
        return self.metrics.get(self.primary)


@dataclass
class Entry:
    """One place of a table: a row's answers to one question, over all seeds.

    Its numbers are computed once, when they are first asked for: `add` everything before.
    """

    row: str
    method: str
    task: str
    dataset: str
    label_set: str
    variant: dict[str, Any]  # the task's fields but for the seed
    floor: bool = False
    results: list[Result] = field(default_factory=list)
    failed: int = 0
    missing: int = 0
    _sum: np.ndarray | None = None  # of the resampled metric over seeds: kept instead of the terms, to save memory
    _summed: int = 0

    def add(self, result: Result, resampled: np.ndarray | None) -> None:
        alike = not self.results or self.results[0].resampling == result.resampling
        self.results.append(result)
        if resampled is not None and alike:
            self._sum = resampled.astype(np.float32) if self._sum is None else self._sum + resampled
            self._summed += 1

    @property
    def column(self) -> tuple[Any, ...]:
        return tuple(self.variant.items())

    @property
    def question(self) -> tuple[Any, ...]:
        """What rivals share: everything but the row."""
        return (self.task, self.dataset, self.label_set, self.column)

    @functools.cached_property
    def values(self) -> list[float]:
        return [result.value for result in self.results if result.value is not None]

    @property
    def complete(self) -> bool:
        return bool(self.values) and not self.failed and not self.missing

    @property
    def higher_is_better(self) -> bool:
        return self.results[0].higher_is_better

    @functools.cached_property
    def mean(self) -> float:
        return mean(self.values)

    @functools.cached_property
    def spread(self) -> float | None:
        """Standard deviation over subset seeds; None for a single one."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def resampled(self) -> np.ndarray | None:
        """The mean over seeds on each resample of the patients, ``(resamples,)``; None unless every seed has them."""
        if self._sum is None or self._summed != len(self.results):
            return None
        return self._sum / self._summed

    @functools.cached_property
    def interval(self) -> tuple[float, float] | None:
        """Test sampling, 95 %: of the mean over seeds where its resamples are stored, else the mean of the bounds."""
        resampled = self.resampled
        if resampled is not None:
            return interval(resampled)
        bounds = [result.bounds for result in self.results if result.bounds is not None]
        return (mean(low for low, _ in bounds), mean(high for _, high in bounds)) if bounds else None

    @property
    def per_class(self) -> dict[str, float]:
        """AUROC of each class, mean over seeds; classes that are undefined in every seed are absent."""
        if not self.results or not self.results[0].classes:
            return {}
        stacked = np.stack([result.per_class for result in self.results])
        defined = ~np.isnan(stacked).all(axis=0)
        return {
            name: float(np.nanmean(stacked[:, index]))
            for index, name in enumerate(self.results[0].classes)
            if defined[index]
        }


def summarise(plan: Plan, store: Store) -> list[Entry]:
    """Entries in the order of the suite; raises when the records of a dataset come from different data.

    The plan's cells are sorted by state on the way, as `Plan.sort_by_state` does: each record is read once.
    """
    entries: dict[tuple[Any, ...], Entry] = {}
    plan.done, plan.failed, plan.todo = [], [], []
    for cell in plan.cells:
        made = _entry(cell)
        entry = entries.setdefault((made.row, *made.question), made)
        record = store.get(cell.spec)
        if record is None:
            entry.missing += 1
            plan.todo.append(cell)
        elif record.done:
            entry.add(Result.of(record), store.resampled(cell.spec))
            plan.done.append(cell)
        else:
            entry.failed += 1
            plan.failed.append(cell)
    found = list(entries.values())
    _refuse_mixtures(found)
    return found


def _entry(cell: Cell) -> Entry:
    from benchmark.registry import METHODS

    spec = cell.spec
    variant = {name: value for name, value in cell.question.items() if name != SEED}
    if spec.signal is not None:
        variant[SIGNAL] = cell.condition
    floor = METHODS.get(spec.method).card.floor
    return Entry(cell.row, spec.method, spec.task, spec.dataset, spec.label_set, variant, floor)


def _refuse_mixtures(entries: Iterable[Entry]) -> None:
    digests: dict[str, set[str]] = {}
    for entry in entries:
        digests.setdefault(entry.dataset, set()).update(result.data_digest for result in entry.results)
        for result in entry.results:
            if result.source is not None:
                digests.setdefault(result.source[0], set()).add(result.source[1])
    problems = [
        f"{dataset}: records from {len(found)} different preparations ({', '.join(sorted(found))}); "
        "run the suite again, which makes the stale ones anew"
        for dataset, found in digests.items()
        if len(found) > 1
    ]
    raise_all(problems, "a table never mixes data:", DataError)


def varying(entries: list[Entry]) -> list[str]:
    """The fields of a task that differ between its entries, the signal's condition last: what the columns must say."""
    known = dict.fromkeys(name for entry in entries for name in entry.variant if name != SIGNAL)
    names = [name for name in known if len({str(entry.variant.get(name)) for entry in entries}) > 1]
    conditioned = any(SIGNAL in entry.variant for entry in entries)
    return (names or ([] if conditioned else list(known)[:1])) + ([SIGNAL] if conditioned else [])


def column_title(entry: Entry, names: list[str]) -> str:
    """``1 %`` for a label fraction; later fields bring their name (``en, centre classes``) unless they are ``none``."""
    parts: list[str] = []
    for name in names:
        if name == SIGNAL:
            parts += [str(entry.variant.get(SIGNAL, AS_RECORDED))] if SIGNAL in entry.variant or not parts else []
            continue
        value = entry.variant[name]
        text = f"{value:.0%}".replace("%", " %") if name == "fraction" else str(value)
        if name == names[0]:
            parts.append(text)
        elif text != "none":
            parts.append(f"{name} {text}")
    return ", ".join(parts) or TASKS.get(entry.task).primary
