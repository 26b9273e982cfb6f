"""The fields of a record that tables and figures need: a few dozen of its hundreds of values.

Texts and numbers that thousands of records share are kept once, so that 50,000 records fit into a gigabyte.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from benchmark.canonical import digest
from benchmark.records.index import Entry, entry_of, unusable_entry
from benchmark.records.paths import RECORD, RESAMPLED
from benchmark.records.record import Number, RunRecord, UnusableRecordError, Verdict, parse_record
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store, place_of

SEED = "seed"  # the field over which an entry averages
TABLE_PARTS = (
    "single_phrases",
    "chance",
    "reliability",
    "unit",
)  # parts of a record's analysis that notes and figures need


@dataclass(frozen=True, slots=True)
class Result:
    """The part of a record that tables and figures need; whole records would fill the memory."""

    key: str
    method: str
    seed: Any
    primary: str
    higher_is_better: bool
    metrics: dict[str, Number]
    intervals: dict[str, tuple[Number, Number]]  # 95 % intervals of the metrics that have one
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
    leak: Verdict | None
    provenance: dict[str, Any]
    source: tuple[str, str] | None = None  # another dataset that the task learnt from, and its digest
    analysis: dict[str, Any] = field(default_factory=dict)  # the parts that notes and figures need
    resampled_sha256: str | None = None  # of the resamples beside the record; None: older code kept no digest
    signal: dict[str, Any] | None = None  # the condition under which signals were read; None: as recorded
    values_digest: str | None = None  # of a label set or target that lies beside its store
    weights: str | None = None  # sha256 of the weights made here; one recipe may have been trained more than once

    @property
    def value(self) -> float | None:
        """Return the primary metric, or None where it is undefined (the notes say why)."""
        return self.metrics.get(self.primary)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the 95 % interval of the primary metric."""
        return self.intervals.get(self.primary)


def read_result(store: Store, spec: RunSpec) -> tuple[Entry | None, Result | None]:
    """Return the entry of a cell's record and, if finished, its table fields; None for whatever is absent."""
    try:
        content = store.files.read(place_of(spec), RECORD)
        if content is None:
            return None, None
        record = parse_record(content, spec.key)
    except UnusableRecordError as error:
        return unusable_entry(spec.task, spec.method, spec.key, error), None
    return entry_of(record, spec.task, spec.method), _result(record) if record.done else None


def read_resampled(store: Store, spec: RunSpec, sha256: str | None) -> np.ndarray | None:
    """Return the primary metric on each resample, ``(resamples,)`` float32; None where none is stored.

    Raises `UnusableRecordError` where the file is not the one whose `sha256` the record holds (None: of older code).
    """
    content = store.files.read(place_of(spec), RESAMPLED)
    if sha256 is None and content is not None and len(content) % 4 == 0:
        values = np.frombuffer(content, "<f4")
        return values if np.isfinite(values).all() else None
    if content is None and sha256 is None:
        return None
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        raise UnusableRecordError(f"{RESAMPLED} beside it is not the one that was written with it")
    return np.frombuffer(content, "<f4")


def _result(record: RunRecord) -> Result:
    source = record.spec.get("source")
    other = (str(source["dataset"]), record.source_digest) if source and record.source_digest else None
    return Result(
        key=record.key,
        method=sys.intern(record.spec["method"]),
        seed=record.question.get(SEED),
        primary=sys.intern(record.primary),
        higher_is_better=record.higher_is_better,
        metrics=record.metrics,
        intervals=record.intervals,
        classes=_shared(tuple(record.per_class)),
        per_class=np.array([_auroc(score) for score in record.per_class.values()], np.float32),
        n=record.n,
        seconds=record.seconds,
        cost=record.cost,
        resampling=_digest(msgspec.json.encode(record.resampling, order="deterministic")),
        synthetic=record.synthetic,
        partial=record.partial,
        protocol=sys.intern(record.spec["protocol"]),
        data_digest=sys.intern(str(record.data_digest)),
        resampled_sha256=record.files.get(RESAMPLED),
        trained_end_to_end="trained" in record.details,
        notes=tuple(record.notes),
        leak=record.leak,
        provenance=_provenance(*_origin(record.provenance)),
        source=other,
        signal=record.spec.get("signal"),
        values_digest=record.values_digest,
        weights=record.provenance.get("weights") if record.spec.get("pretraining") else None,
        analysis={name: record.analysis[name] for name in TABLE_PARTS if name in record.analysis},
    )


def _auroc(score: dict[str, Any]) -> float:
    value = score.get("auroc")
    return np.nan if value is None else value


def _origin(provenance: dict[str, Any]) -> tuple[str | None, bool | None, str | None, str | None, str | None]:
    """Return commit, whether the tree was changed, hardware, version of torch, and precision of the features."""
    code, machine = provenance.get("code", {}), provenance.get("environment", {})
    hardware, torch = machine.get("gpu") or machine.get("cpu"), machine.get("packages", {}).get("torch")
    return code.get("git"), code.get("dirty"), hardware, torch, provenance.get("precision")


@functools.lru_cache(maxsize=1024)
def _digest(resampling: bytes) -> str:
    """Return the digest of the choice of resamples; most records of a suite share it."""
    value = msgspec.json.decode(resampling)
    return digest(value) if value else ""


@functools.lru_cache(maxsize=1024)
def _shared(classes: tuple[str, ...]) -> tuple[str, ...]:
    return classes


@functools.lru_cache(maxsize=1024)
def _provenance(
    git: str | None, dirty: bool | None, hardware: str | None, torch: str | None, precision: str | None
) -> dict[str, Any]:
    return {"git": git, "dirty": dirty, "hardware": hardware, "torch": torch, "precision": precision}
