"""Every number of a record, computed again from predictions, and how far it lies from the record's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmark.api import Predictions, Scores, Truth
from benchmark.errors import BenchmarkError
from benchmark.metrics.few_patients import without_uncertainty
from benchmark.metrics.scoring import resampling
from benchmark.records.record import RunRecord
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store
from benchmark.registry import TASKS
from benchmark.verification.predictions import Evidence, ForeignPredictionsError, Source, UnverifiableError

TOLERANCE = 2e-5  # records are rounded to 1e-6; of 137,613 numbers, 16 bits moved the worst by 1.6e-5
NO_THRESHOLDS = "the thresholds were not kept with the predictions"
NOT_COMPUTED = "it is not computed from scores alone"
RESAMPLES = "on resamples"

Numbers = dict[str, float]


@dataclass
class CellCheck:
    """A cell's numbers by name: the record's own and the one computed again, and what was not computed."""

    title: str
    key: str
    pairs: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    unchecked: dict[str, str] = field(default_factory=dict)  # number -> reason
    problem: str = ""  # why nothing was computed
    foreign: bool = False  # the problem is a fault of the predictions
    own_labels: bool = False

    def deviations(self) -> Numbers:
        """Return how far each number lies from the record's; infinity where only one of both has it."""
        return {
            name: float("inf") if None in pair else abs(pair[0] - pair[1])  # type: ignore[operator]
            for name, pair in self.pairs.items()
        }

    def different(self, tolerance: float) -> list[str]:
        """Return the numbers that differ by more, the largest deviation first."""
        deviations = self.deviations()
        return sorted((name for name, size in deviations.items() if size > tolerance), key=lambda n: -deviations[n])

    def state(self, tolerance: float) -> str:
        """Return ``agrees``, ``differs`` or ``not verified``."""
        if self.foreign or self.different(tolerance):
            return "differs"
        return "not verified" if self.problem else "agrees"


def check_cell(title: str, spec: RunSpec, record: RunRecord, store: Store, source: Source) -> CellCheck:
    """Compute a cell's numbers again; whatever prevents it becomes the check's problem.

    Damage of a whole file is raised as a `DataError`, since it concerns all cells.
    """
    check = CellCheck(title, record.key)
    try:
        evidence = source.get(spec, record)
        check.own_labels = evidence.own_labels
        _check_recordings(record, evidence.truth)
        scores = _score(spec, record, evidence)
    except ForeignPredictionsError as error:
        check.problem, check.foreign = str(error), True
        return check
    except UnverifiableError as error:
        check.problem = str(error)
        return check
    resampled = store.resampled(spec)
    expected = dict(_numbers(record, resampled))
    # older records have intervals of few patients, too, which a run leaves out today
    older = {name: value for name, value in _numbers(scores, scores.resampled) if name in expected}
    scores = without_uncertainty(scores, evidence.truth)
    actual = {**older, **dict(_numbers(scores, scores.resampled))}
    for name in sorted(expected.keys() | actual.keys()):
        if name in actual:
            check.pairs[name] = expected.get(name), actual[name]
        else:
            check.unchecked[name] = NO_THRESHOLDS if "f1" in name and evidence.thresholds is None else NOT_COMPUTED
    if record.primary in check.unchecked:
        check.problem = f"its primary metric, {record.primary}, is not computed from scores alone"
    return check


def _check_recordings(record: RunRecord, truth: Truth) -> None:
    """Refuse a test split that is not the one whose patients the record's resamples were drawn from."""
    expected = record.resampling.get("recordings")
    if expected is not None and expected != resampling(truth)["recordings"]:
        raise ForeignPredictionsError("the predictions are not of the recordings and patients of the record")


def _score(spec: RunSpec, record: RunRecord, evidence: Evidence) -> Scores:
    """Score by the task's own `score`, as the run did."""
    if spec.task not in TASKS.names():
        raise UnverifiableError(f"the task {spec.task!r} is not installed")
    cls = TASKS.get(spec.task)
    if cls.version != spec.task_version:
        raise UnverifiableError(f"{spec.task} had version {spec.task_version}, here it is {cls.version}")
    predictions = Predictions({evidence.array: evidence.scores}, evidence.thresholds, dict(record.details))
    try:
        return cls(**spec.task_config).score(predictions, evidence.truth)
    except BenchmarkError as error:
        raise UnverifiableError(f"its predictions cannot be scored: {error}") from error


def _numbers(numbers: RunRecord | Scores, resampled: np.ndarray | None) -> Iterator[tuple[str, float]]:
    """Yield every number by name: metrics, intervals, those of classes and subgroups, and the resamples."""
    yield from numbers.metrics.items()
    for name, bounds in numbers.intervals.items():
        yield from _bounds(name, bounds)
    for name, values in numbers.per_class.items():
        yield from _part(name, values)
    for attribute, parts in numbers.subgroups.items():
        for name, values in parts.items():
            yield from _part(f"{attribute} {name}", values)
    if resampled is not None:
        for place, value in enumerate(np.asarray(resampled, np.float32)):
            if np.isfinite(value):
                yield f"{RESAMPLES} {place}", float(value)


def _part(part: str, values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a class or subgroup; counts of positives are maps of their own."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{part}: {name} {inner}", float(count)) for inner, count in value.items())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield from _bounds(f"{part}: {name}", value)
        elif isinstance(value, int | float):
            yield f"{part}: {name}", float(value)


def _bounds(name: str, bounds: Sequence[float]) -> Iterator[tuple[str, float]]:
    yield from zip((f"{name} low", f"{name} high"), bounds, strict=True)
