"""Entries of a table, summarised from records: mean over trainings and subsets, spread, interval and missing cells."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmark.canonical import dumps
from benchmark.data.signals.conditions import AS_RECORDED
from benchmark.errors import DataError, raise_all
from benchmark.leaderboard.words import further_words, metric_words, plain, value_words
from benchmark.metrics.few_patients import NO_TEST
from benchmark.metrics.paired import Sample, has_spread
from benchmark.metrics.spread import Spread, spread_by_source
from benchmark.metrics.statistics import interval
from benchmark.planning.plan import Cell, Plan, TaskFacts
from benchmark.planning.standing import (
    DONE,
    FAILED,
    INCOMPLETE,
    OUTDATED,
    RECORDS_ALONE,
    AtHand,
    Standing,
    Standings,
    stand,
)
from benchmark.records.record import UnusableRecordError
from benchmark.records.store import Store
from benchmark.records.table_fields import SEED, Result, read_resampled, read_result

SIGNAL = "signal"  # the variant's name for a condition under which signals were read


@dataclass
class Entry:
    """One entry of a table: a row's results for one question over all its members and subset seeds.

    Numbers are computed once, at their first use; `add` all results before.
    """

    row: str
    method: str
    task: str
    dataset: str
    label_set: str
    variant: dict[str, Any]  # the task's fields but for the seed
    facts: TaskFacts
    is_baseline: bool = False
    results: list[Result] = field(default_factory=list)
    failures: int = 0
    missing: int = 0
    outdated: int = 0  # of the results: made by other code than is installed now
    is_trained: bool = False  # its weights come from a training with a seed: another one would give other numbers
    members: list[int | None] = field(default_factory=list)  # the member of each result; None: the row has one
    _sums: dict[int | None, np.ndarray] = field(default_factory=dict)  # of the resampled metric over subset seeds, by
    _terms: int = 0  # member: kept instead of the terms, to save memory

    def add(self, result: Result, resampled: np.ndarray | None, member: int | None = None) -> None:
        alike = not self.results or self.results[0].resampling == result.resampling
        self.results.append(result)
        self.members.append(member)
        if resampled is not None and alike:
            total = self._sums.get(member)
            self._sums[member] = resampled.astype(np.float32) if total is None else total + resampled
            self._terms += 1

    @property
    def column(self) -> tuple[Any, ...]:
        return tuple(self.variant.items())

    @property
    def question(self) -> tuple[Any, ...]:
        """Return what rivals share: everything but the row."""
        return (self.task, self.dataset, self.label_set, self.column)

    @functools.cached_property
    def values(self) -> list[float]:
        return [result.value for result in self.results if result.value is not None]

    @property
    def undefined(self) -> int:
        """Return the number of finished records without the metric: the mean is over the others."""
        return len(self.results) - len(self.values)

    @property
    def complete(self) -> bool:
        return bool(self.values) and not self.failures and not self.missing and not self.undefined

    @property
    def higher_is_better(self) -> bool:
        return self.results[0].higher_is_better

    @functools.cached_property
    def mean(self) -> float:
        return mean(self.values)

    @functools.cached_property
    def grid(self) -> np.ndarray | None:
        """Return the values ``(members, subset seeds)``; None where cells are absent, undefined or not laid out so."""
        by_member: dict[int | None, dict[str, float]] = {}
        for member, result in zip(self.members, self.results, strict=True):
            if result.value is not None:
                by_member.setdefault(member, {})[str(result.seed)] = result.value
        seeds = [sorted(values) for values in by_member.values()]
        count = sum(map(len, seeds))
        if not self.complete or count != len(self.results) or any(own != seeds[0] for own in seeds):
            return None
        return np.array([[values[seed] for seed in seeds[0]] for values in by_member.values()])

    @functools.cached_property
    def spread(self) -> float | None:
        """Return the standard deviation over subset seeds, of the mean over members; None for a single one."""
        if self.trainings == 1:
            return stdev(self.values) if len(self.values) > 1 else None
        return _deviation(self.grid, over=1)

    @functools.cached_property
    def training_spread(self) -> float | None:
        """Return the standard deviation over trainings, of the mean over subset seeds; None for a single training."""
        return _deviation(self.grid, over=0) if self.trainings > 1 else None

    @property
    def trainings(self) -> int:
        """Return the number of members with a result."""
        return max(len(set(self.members)), 1)

    @functools.cached_property
    def by_source(self) -> Spread | None:
        """Return the spread by source; None for an incomplete entry."""
        return None if self.grid is None else spread_by_source(self.grid, self.resampled)

    @property
    def resampled(self) -> np.ndarray | None:
        """Return the mean over members and seeds on each resample, ``(resamples,)``; None unless all have them."""
        if not self._sums or self._terms != len(self.results):
            return None
        return np.asarray(np.sum(list(self._sums.values()), axis=0) / self._terms)

    @property
    def sample(self) -> Sample | None:
        """Return the numbers that a paired test needs; None where cells are absent or keep no resamples."""
        mean = self.resampled
        if mean is None or not self.complete:
            return None
        if self.trainings == 1:
            return Sample.of_one(self.mean, mean)
        if self.grid is None:
            return None
        resampled = np.stack(list(self._sums.values())) / self.grid.shape[1]
        return Sample(self.mean, self.grid.mean(axis=1), resampled)

    @functools.cached_property
    def of_few_patients(self) -> bool:
        """Whether its records keep neither intervals nor resamples because test has too few patients."""
        return any(note.startswith(NO_TEST) for result in self.results for note in result.notes)

    @functools.cached_property
    def is_flat(self) -> bool:
        """Whether it has the same number on all resamples of patients, as with one patient or a perfect score."""
        return self.resampled is not None and not has_spread(self.resampled)

    @functools.cached_property
    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % interval over patients: of the mean with resamples, else the mean of bounds.

        None where all resamples are equal: an interval without width would claim what nobody knows.
        """
        resampled = self.resampled
        if resampled is not None:
            return None if self.is_flat else interval(resampled)
        bounds = [result.bounds for result in self.results if result.bounds is not None]
        return (mean(low for low, _ in bounds), mean(high for _, high in bounds)) if bounds else None

    @property
    def per_class(self) -> dict[str, float]:
        """Return the AUROC of each class, mean over seeds; classes that are undefined in every seed are absent."""
        if not self.results or not self.results[0].classes:
            return {}
        stacked = np.stack([result.per_class for result in self.results])
        defined = ~np.isnan(stacked).all(axis=0)
        return {
            name: float(np.nanmean(stacked[:, index]))
            for index, name in enumerate(self.results[0].classes)
            if defined[index]
        }


def summarise(plan: Plan, store: Store, now: AtHand = RECORDS_ALONE) -> tuple[list[Entry], Standings]:
    """Return entries in the order of the suite and the standing of their cells; each record is read once.

    Raises `DataError` when the records of a dataset come from different data.
    """
    entries: dict[tuple[Any, ...], Entry] = {}
    standings_list = []
    for cell in plan.cells:
        place = _place(cell)
        entry = entries.get(place) or entries.setdefault(place, _entry(cell, plan.tasks[cell.spec.task]))
        standing, result, resampled = _read(cell, store, now)
        standings_list.append(standing)
        if result is not None:
            entry.add(result, resampled, cell.member)
            entry.outdated += standing.state == OUTDATED
        elif standing.state == FAILED:
            entry.failures += 1
        else:
            entry.missing += 1
    values = list(entries.values())
    _refuse_mixtures(values)
    return values, Standings(standings_list)


def _read(cell: Cell, store: Store, now: AtHand) -> tuple[Standing, Result | None, np.ndarray | None]:
    """Return the standing of a cell and, if its number counts, its result."""
    record, result = read_result(store, cell.spec)
    standing = stand(cell, record, now)
    if result is None or standing.state not in (DONE, OUTDATED):
        return standing, None, None
    try:
        return standing, result, read_resampled(store, cell.spec, result.resampled_sha256)
    except UnusableRecordError as error:
        return standing._replace(state=INCOMPLETE, why=str(error)), None, None


def _place(cell: Cell) -> tuple[Any, ...]:
    """Return the fields that the cells of an entry share."""
    spec, fields = cell.spec, tuple((name, value) for name, value in cell.question.items() if name != SEED)
    return (cell.row, spec.task, spec.dataset, spec.label_set, fields, dumps(spec.signal) if spec.signal else None)


def _entry(cell: Cell, facts: TaskFacts) -> Entry:
    spec = cell.spec
    variant = {name: value for name, value in cell.question.items() if name != SEED}
    if spec.signal is not None:
        variant[SIGNAL] = cell.condition
    place = (cell.row, spec.method, spec.task, spec.dataset, spec.label_set)
    is_trained = spec.pretraining is not None or spec.training is not None or cell.member is not None
    return Entry(*place, variant, facts, cell.is_baseline, is_trained=is_trained)


def _deviation(grid: np.ndarray | None, over: int) -> float | None:
    """Return the standard deviation over one axis of `Entry.grid`, of the mean over the other."""
    if grid is None or grid.shape[over] == 1:
        return None
    return float(grid.mean(axis=1 - over).std(ddof=1))


def _refuse_mixtures(entries: Iterable[Entry]) -> None:
    digests: dict[str, set[str]] = {}
    for entry in entries:
        digests.setdefault(entry.dataset, set()).update(result.data_digest for result in entry.results)
        for result in entry.results:
            if result.source is not None:
                digests.setdefault(result.source[0], set()).add(result.source[1])
            if result.values_digest is not None:
                digests.setdefault(f"{entry.dataset}/{entry.label_set}", set()).add(result.values_digest)
    problems = [
        f"{dataset}: records from {len(digests_here)} different preparations ({', '.join(sorted(digests_here))}); "
        "run the suite again, which makes the stale ones anew"
        for dataset, digests_here in digests.items()
        if len(digests_here) > 1
    ]
    raise_all(problems, "a table never mixes data:", DataError)


def varying(entries: list[Entry]) -> list[str]:
    """Return the fields of a task that differ between its entries, the signal's condition last; columns name them."""
    variant_fields = dict.fromkeys(name for entry in entries for name in entry.variant if name != SIGNAL)
    names = [name for name in variant_fields if len({str(entry.variant.get(name)) for entry in entries}) > 1]
    conditioned = any(SIGNAL in entry.variant for entry in entries)
    return (names or ([] if conditioned else list(variant_fields)[:1])) + ([SIGNAL] if conditioned else [])


def column_title(entry: Entry, names: list[str], metric: str = "") -> str:
    """Return ``1 %`` for a label fraction; further fields have their name (``en, centred``) unless ``none``.

    A task without fields has one column, which goes by its `metric` (empty: the primary one): ``recall at 10``.
    """
    parts: list[str] = []
    for name in names:
        if name == SIGNAL:
            parts += [str(entry.variant.get(SIGNAL, AS_RECORDED))] if SIGNAL in entry.variant or not parts else []
            continue
        value = entry.variant[name]
        parts.append(value_words(name, value) if name == names[0] else further_words(name, value))
    return ", ".join(plain(part) for part in parts if part) or metric_words(metric or entry.facts.primary)
