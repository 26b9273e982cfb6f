"""A record's part in tables and figures, read from its file without making the rest of it.

A record has hundreds of values (trials, subsets, the whole configuration), a table needs a few dozen. msgspec decodes
those and steps over the others, which takes a third of the time of parsing everything. What makes a record unusable
is decided in `benchmark.records.record` for every reader.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np

from benchmark.canonical import digest
from benchmark.records.index import Entry
from benchmark.records.paths import RESAMPLED, cell_folder, record_file
from benchmark.records.record import Number, UnusableRecordError, check_content, check_values, decode
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store, read_content

SEED = "seed"  # the field over which an entry averages
SHOWN = ("single_phrases", "chance", "reliability")  # parts of a record's analysis that notes and figures need


@dataclass(frozen=True, slots=True)
class Result:
    """What tables and figures need of a record; the rest of it would fill the memory."""

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
    resampled_sha256: str | None = None  # of the resamples beside the record; None: older code kept no digest
    signal: dict[str, Any] | None = None  # the condition under which signals were read; None: as recorded

    @property
    def value(self) -> float | None:
        """The primary metric, or None where it is undefined (the notes say why)."""
        return self.metrics.get(self.primary)


Skipped = msgspec.Raw  # a value whose text is stepped over


class _Score(msgspec.Struct):
    auroc: float | None = None


class _Spec(msgspec.Struct):
    method: str
    protocol: str
    signal: dict[str, Any] | None = None
    source: dict[str, Any] | None = None


class _Code(msgspec.Struct):
    git: str | None = None
    dirty: bool | None = None


class _Machine(msgspec.Struct):
    gpu: str | None = None
    cpu: str | None = None
    packages: dict[str, str] = {}


class _Provenance(msgspec.Struct):
    code: _Code = msgspec.field(default_factory=_Code)
    environment: _Machine = msgspec.field(default_factory=_Machine)


class Fields(msgspec.Struct):
    """The fields of `RunRecord`, of which the `Skipped` ones are not looked at (a test keeps the two alike)."""

    key: str
    spec: _Spec
    question: dict[str, Any]
    status: Literal["done", "failed"]
    metrics: dict[str, Number] = {}
    intervals: dict[str, tuple[Number, Number]] = {}
    per_class: dict[str, _Score] = {}
    primary: str = ""
    higher_is_better: bool = True
    details: dict[str, Skipped] = {}
    notes: tuple[str, ...] = ()
    error: Skipped = Skipped()
    predictions: Skipped = Skipped()
    resampling: Skipped = Skipped()
    cost: dict[str, Number] = {}
    config: Skipped = Skipped()
    subgroups: Skipped = Skipped()
    analysis: dict[str, Skipped] = {}
    data_digest: str | None = None
    leak: dict[str, Any] | None = None
    source_digest: str | None = None
    synthetic: bool = False
    partial: bool = False
    n: dict[str, int] = {}
    provenance: _Provenance = msgspec.field(default_factory=_Provenance)
    seconds: float = 0.0
    code: dict[str, str] = {}
    files: dict[str, str] = {}
    sha256: Skipped = Skipped()


_decoder: Any = msgspec.json.Decoder(Fields).decode


def read_result(store: Store, spec: RunSpec) -> tuple[Entry | None, Result | None]:
    """Return a cell's record in short and, where it is finished, what tables need of it; None for what is not there."""
    path = record_file(store.root, spec.task, spec.method, spec.key)
    try:
        content = read_content(path)
        if content is None:
            return None, None
        check_content(content)
        fields = decode(_decoder, content)
        check_values(fields.metrics, fields.intervals)
        if fields.key != spec.key:
            raise UnusableRecordError(f"it is the record of another cell, {fields.key}")
    except UnusableRecordError as error:
        return Entry(spec.key, spec.task, spec.method, "unusable", kind="Unusable", message=str(error)), None
    return _entry(fields, spec), _result(fields) if fields.status == "done" else None


def read_resampled(store: Store, spec: RunSpec, sha256: str | None) -> np.ndarray | None:
    """Return the primary metric on each resample, ``(resamples,)`` float32; None where none is stored.

    Raises `UnusableRecordError` where the file is not the one whose `sha256` the record holds (None: of older code).
    """
    content = read_content(f"{cell_folder(store.root, spec.task, spec.method, spec.key)}/{RESAMPLED}")
    if sha256 is None and content is not None and len(content) % 4 == 0:
        values = np.frombuffer(content, "<f4")
        return values if np.isfinite(values).all() else None
    if content is None and sha256 is None:
        return None
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        raise UnusableRecordError(f"{RESAMPLED} beside it is not the one that was written with it")
    return np.frombuffer(content, "<f4")


def _entry(fields: Fields, spec: RunSpec) -> Entry:
    message = ""
    if fields.status == "failed":
        error = msgspec.json.decode(fields.error) if fields.error else None
        message = str((error or {}).get("message", "")).partition("\n")[0]
    return Entry(
        fields.key,
        spec.task,
        spec.method,
        fields.status,
        message=message,
        data=fields.data_digest,
        source=fields.source_digest,
        code=fields.code,
        protocol=fields.spec.protocol,
    )


def _result(fields: Fields) -> Result:
    code, machine = fields.provenance.code, fields.provenance.environment
    aurocs = [np.nan if score.auroc is None else score.auroc for score in fields.per_class.values()]
    source = fields.spec.source["dataset"] if fields.source_digest and fields.spec.source else None
    return Result(
        key=fields.key,
        method=sys.intern(fields.spec.method),  # texts that thousands of records share are kept once
        seed=fields.question.get(SEED),
        primary=sys.intern(fields.primary),
        higher_is_better=fields.higher_is_better,
        metrics=fields.metrics,
        bounds=fields.intervals.get(fields.primary),
        classes=_shared(tuple(fields.per_class)),
        per_class=np.array(aurocs, np.float32),
        n=fields.n,
        seconds=fields.seconds,
        cost=fields.cost,
        resampling=_digest(bytes(fields.resampling)),
        synthetic=fields.synthetic,
        partial=fields.partial,
        protocol=sys.intern(fields.spec.protocol),
        data_digest=sys.intern(str(fields.data_digest)),
        resampled_sha256=fields.files.get(RESAMPLED),
        trained_end_to_end="trained" in fields.details,
        notes=fields.notes,
        leak=fields.leak,
        provenance=_provenance(code.git, code.dirty, machine.gpu or machine.cpu, machine.packages.get("torch")),
        source=(source, fields.source_digest) if source and fields.source_digest else None,
        signal=fields.spec.signal,
        analysis={name: msgspec.json.decode(fields.analysis[name]) for name in SHOWN if name in fields.analysis},
    )


@functools.lru_cache(maxsize=1024)
def _digest(resampling: bytes) -> str:
    """Of the field as it is written; most records of a suite have the same."""
    value = msgspec.json.decode(resampling) if resampling else None
    return digest(value) if value else ""


@functools.lru_cache(maxsize=1024)
def _shared(classes: tuple[str, ...]) -> tuple[str, ...]:
    return classes


@functools.lru_cache(maxsize=1024)
def _provenance(git: str | None, dirty: bool | None, hardware: str | None, torch: str | None) -> dict[str, Any]:
    return {"git": git, "dirty": dirty, "hardware": hardware, "torch": torch}
