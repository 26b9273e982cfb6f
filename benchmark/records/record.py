"""A cell's question (`RunSpec`) and its answer (`RunRecord`).

The key of a question is the digest of the fields that affect its score and of nothing else: device,
workers, paths and batch sizes of inference never enter it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from benchmark import canonical
from benchmark.api import PROTOCOL as PROTOCOL

Status = Literal["done", "failed"]
LATER = ("signal", "source")  # fields of RunSpec that came after the first records


@dataclass(frozen=True)
class RunSpec:
    """One cell of the grid. All values are plain JSON, so that a spec travels to any worker.

    Each `..._config` holds the options that differ from their defaults (see `configuration.distinct`).
    """

    method: str
    method_version: int
    method_config: dict[str, Any]
    task: str
    task_version: int
    task_config: dict[str, Any]
    dataset: str
    dataset_version: int
    dataset_config: dict[str, Any]
    label_set: str
    task_inputs: dict[str, str] = field(default_factory=dict)  # digests of files that the fields name
    weights: str | None = None  # sha256 of a checkpoint file
    pretraining: dict[str, Any] | None = None  # recipe of weights made here
    training: dict[str, Any] | None = None  # how a supervised method is trained on the subset
    protocol: str = PROTOCOL
    limit: int | None = None  # recordings per split; a record with a limit is partial
    signal: dict[str, Any] | None = None  # the condition under which signals are read; None: as recorded
    source: dict[str, Any] | None = None  # another dataset to learn from: dataset, dataset_version, ..., label_set

    @functools.cached_property
    def key(self) -> str:
        return canonical.digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Fields that came later are left out at their default, so that older keys hold."""
        found = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value for name, value in found.items() if value is not None or name not in LATER}


def datasets_of(spec: RunSpec) -> list[tuple[str, dict[str, Any]]]:
    """Name and configuration of the cell's dataset, and of the one that its task learns from, if it is another."""
    source = [(spec.source["dataset"], spec.source["dataset_config"])] if spec.source else []
    return [(spec.dataset, spec.dataset_config), *source]


@dataclass
class RunRecord:
    """What is known of a cell after it ran; stored as JSON.

    Metrics that could not be computed are absent, with the reason in `notes`; never 0, never NaN.
    """

    key: str
    spec: dict[str, Any]
    question: dict[str, Any]  # the task's fields, those at their defaults too
    status: Status
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    per_class: dict[str, dict[str, Any]] = field(default_factory=dict)
    primary: str = ""
    higher_is_better: bool = True
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: dict[str, str] | None = None  # kind, message, traceback
    predictions: str | None = None  # sha256 of predictions.safetensors
    resampling: dict[str, Any] = field(default_factory=dict)  # which resamples `resampled.f32` beside the record holds
    cost: dict[str, float] = field(default_factory=dict)  # parameters, FLOPs per recording, seconds of its parts
    config: dict[str, Any] = field(default_factory=dict)  # all options of method, dataset and training
    subgroups: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # attribute -> value -> metrics
    analysis: dict[str, Any] = field(default_factory=dict)  # calibration bins, prompt sensitivity, chance levels
    data_digest: str | None = None
    leak: dict[str, Any] | None = None  # state: clean, contaminated or unknown; and reasons
    source_digest: str | None = None  # of the dataset that the task learnt from, if it is another
    synthetic: bool = False
    partial: bool = False
    n: dict[str, int] = field(default_factory=dict)  # recordings of train subset, val and test
    provenance: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunRecord:
        return cls(**data)

    def to_json(self) -> dict[str, Any]:
        """The fields as they are: they are plain JSON already, and `asdict` would copy them one by one."""
        return dict(vars(self))

    @property
    def done(self) -> bool:
        return self.status == "done"

    @property
    def digests(self) -> tuple[str | None, str | None]:
        """Of the data that it was made from: the cell's, and what the task learnt from if that is another."""
        return self.data_digest, self.source_digest
