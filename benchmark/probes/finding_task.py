"""Base class of tasks about findings: sparse label sets, predicted fold by fold, scored on what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmark.api import Method, Rotation, SupervisedMethod, Task
from benchmark.metrics.finding_scoring import PRIMARY
from benchmark.probes.rotations import rotations_of

KINDS = ("rhythm", "conduction", "qrs", "st_t", "voltage", "axis")


@dataclass(frozen=True)
class FindingTask(Task):
    """A task on `folds`: "held_out" are folds 9 and 10, "all" is every fold, also those that encoders have seen."""

    folds: str = "held_out"

    primary: ClassVar[str] = PRIMARY
    grid_metrics: ClassVar[tuple[str, ...]] = (PRIMARY, *(f"auroc_{kind}" for kind in KINDS))
    reads_unknown: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.rotations()

    def rotations(self) -> tuple[Rotation, ...]:
        return rotations_of(self.folds)

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, SupervisedMethod):
            return "it is trained end to end, not probed"
        return None
