"""A record's part in tables and figures, read from its file without making the rest of it.

A record has hundreds of values (trials, subsets, the whole configuration), a table needs a few dozen. msgspec decodes
those and steps over the others, which takes a third of the time of parsing everything. What `RunRecord` would not
take (a field that this version does not know) counts as unreadable here as well.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np

from benchmark.canonical import digest
from benchmark.records.record import RunSpec
from benchmark.records.store import RECORD, RESAMPLED, Store

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


class Fields(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of `RunRecord`, of which the `Skipped` ones are not looked at (a test keeps the two alike)."""

    key: str
    spec: _Spec
    question: dict[str, Any]
    status: Literal["done", "failed"]
    metrics: dict[str, Any] = {}
    intervals: dict[str, tuple[float, float]] = {}
    per_class: dict[str, _Score] = {}
    primary: str = ""
    higher_is_better: bool = True
    details: dict[str, Skipped] = {}
    notes: tuple[str, ...] = ()
    error: Skipped = Skipped()
    predictions: Skipped = Skipped()
    resampling: Skipped = Skipped()
    cost: dict[str, Any] = {}
    config: Skipped = Skipped()
    subgroups: Skipped = Skipped()
    analysis: dict[str, Skipped] = {}
    data_digest: str | None = None
    leak: dict[str, Any] | None = None
    source_digest: str | None = None
    synthetic: bool = False
    partial: bool = False
    n: dict[str, Any] = {}
    provenance: _Provenance = msgspec.field(default_factory=_Provenance)
    seconds: Any = 0.0


_decode = msgspec.json.Decoder(Fields).decode


def read_result(store: Store, spec: RunSpec) -> Result | Literal["failed"] | None:
    """What tables need of a cell's record; None when there is none that can be read."""
    content = _content(store, spec, RECORD)
    if content is None:
        return None
    try:
        found = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return _result(found) if found.status == "done" else "failed"


def read_resampled(store: Store, spec: RunSpec) -> np.ndarray | None:
    """As `Store.resampled`: ``(resamples,)`` float32, or None."""
    content = _content(store, spec, RESAMPLED)
    return None if content is None else np.frombuffer(content, "<f4")


def _content(store: Store, spec: RunSpec, name: str) -> bytes | None:
    """A file of the cell's folder. The path is put together as text: a `Path` takes longer than the reading."""
    try:
        with open(f"{_root(store)}/{spec.task}/{spec.method}/{spec.key}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return None


@functools.lru_cache(maxsize=8)
def _root(store: Store) -> str:
    return os.fspath(store.root)


def _result(found: Fields) -> Result:
    code, machine = found.provenance.code, found.provenance.environment
    aurocs = [np.nan if score.auroc is None else score.auroc for score in found.per_class.values()]
    source = found.spec.source["dataset"] if found.source_digest and found.spec.source else None
    return Result(
        key=found.key,
        method=sys.intern(found.spec.method),  # texts that thousands of records share are kept once
        seed=found.question.get(SEED),
        primary=sys.intern(found.primary),
        higher_is_better=found.higher_is_better,
        metrics=found.metrics,
        bounds=found.intervals.get(found.primary),
        classes=_shared(tuple(found.per_class)),
        per_class=np.array(aurocs, np.float32),
        n=found.n,
        seconds=found.seconds,
        cost=found.cost,
        resampling=_digest(bytes(found.resampling)),
        synthetic=found.synthetic,
        partial=found.partial,
        protocol=sys.intern(found.spec.protocol),
        data_digest=sys.intern(str(found.data_digest)),
        trained_end_to_end="trained" in found.details,
        notes=found.notes,
        leak=found.leak,
        provenance=_provenance(code.git, code.dirty, machine.gpu or machine.cpu, machine.packages.get("torch")),
        source=(source, found.source_digest) if source and found.source_digest else None,
        signal=found.spec.signal,
        analysis={name: msgspec.json.decode(found.analysis[name]) for name in SHOWN if name in found.analysis},
    )


@functools.lru_cache(maxsize=1024)
def _digest(resampling: bytes) -> str:
    """Of the field as it is written; most records of a suite have the same."""
    found = msgspec.json.decode(resampling) if resampling else None
    return digest(found) if found else ""


@functools.lru_cache(maxsize=1024)
def _shared(classes: tuple[str, ...]) -> tuple[str, ...]:
    return classes


@functools.lru_cache(maxsize=1024)
def _provenance(git: str | None, dirty: bool | None, hardware: str | None, torch: str | None) -> dict[str, Any]:
    return {"git": git, "dirty": dirty, "hardware": hardware, "torch": torch}
