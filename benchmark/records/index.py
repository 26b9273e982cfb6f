"""All records in short, for standings and estimates, without reading twice what has not changed.

``HOME/records.index.json`` is a cache and nothing else: an entry holds as long as its record's file has the time of
writing and the size that stand beside it, and whoever removes the cache loses a second.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from benchmark.atomic import write_text
from benchmark.paths import Home
from benchmark.records.paths import INDEX, record_file, record_files
from benchmark.records.record import Number, UnusableRecordError, check_content, check_values, decode
from benchmark.records.spec import RunSpec, cost_recipe
from benchmark.records.store import read_content


class Entry(NamedTuple):
    """A record in short.

    `kind` and `message` are those of a failure, or say why a record is `unusable`; `data` and `source` are digests of
    datasets, `recordings` those of train, validation and test together.
    """

    key: str
    task: str
    method: str
    status: str  # done, failed or unusable
    seconds: float = 0.0
    device: str = ""
    kind: str = ""
    message: str = ""
    data: str | None = None
    source: str | None = None
    code: dict[str, str] = {}  # noqa: RUF012 (of a named tuple, never changed)
    protocol: str = ""
    recordings: int = 0
    synthetic: bool = False
    partial: bool = False
    written: int = 0  # time of writing in ns
    recipe: tuple[str, str] = ("", "")  # see `spec.cost_recipe`

    @property
    def done(self) -> bool:
        return self.status == "done"

    @property
    def usable(self) -> bool:
        return self.status != "unusable"


def read_index(home: Home) -> dict[str, Entry]:
    """Return every record by its key, those that cannot be used among them."""
    cache = home.root / INDEX
    known = _cached(cache)
    entries: dict[str, tuple[int, int, Entry]] = {}
    read = 0
    for path in record_files(home.records):
        try:
            about = os.stat(path)  # noqa: PTH116 (a Path costs as much as the call, 20,000 times)
        except OSError:
            continue
        held = known.get(path)
        if held is None or held[:2] != (about.st_mtime_ns, about.st_size):
            read += 1
            held = (about.st_mtime_ns, about.st_size, _read(path, about.st_mtime_ns))
        entries[path] = held
    if read or len(entries) != len(known):
        _keep(cache, entries)
    return {entry.key: entry for *_, entry in entries.values()}


def read_entry(root: Path, spec: RunSpec) -> Entry | None:
    """Return one cell's record in short; None where there is none."""
    path = record_file(root, spec.task, spec.method, spec.key)
    try:
        written = os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return None
    return _read(path, written)


def _cached(cache: Path) -> dict[str, tuple[int, int, Entry]]:
    try:
        stored = json.loads(cache.read_text("utf-8"))
        return {path: (time, size, _entry(fields)) for path, time, size, *fields in stored}
    except (OSError, ValueError, TypeError):
        return {}


def _entry(fields: list[Any]) -> Entry:
    """As it was kept; a cache of another version has another number of fields."""
    if len(fields) != len(Entry._fields):
        raise ValueError(f"{len(fields)} fields")
    entry = Entry(*fields)
    return entry._replace(recipe=(entry.recipe[0], entry.recipe[1]))


def _keep(cache: Path, entries: dict[str, tuple[int, int, Entry]]) -> None:
    """A home that cannot be written to can still be looked at."""
    try:
        write_text(cache, json.dumps([[path, time, size, *entry] for path, (time, size, entry) in entries.items()]))
    except OSError:
        return


class _Spec(msgspec.Struct):
    task: str
    method: str
    protocol: str = ""
    method_config: dict[str, Any] = {}
    training: dict[str, Any] | None = None
    task_config: dict[str, Any] = {}


class _Error(msgspec.Struct):
    kind: str = ""
    message: str = ""


class _Provenance(msgspec.Struct):
    device: str = ""


class _Record(msgspec.Struct):
    """The few fields of a `RunRecord` that an entry needs; the others are stepped over."""

    key: str
    spec: _Spec
    status: Literal["done", "failed"]
    metrics: dict[str, Number] = {}
    intervals: dict[str, tuple[Number, Number]] = {}
    seconds: float = 0.0
    error: _Error | None = None
    provenance: _Provenance = msgspec.field(default_factory=_Provenance)
    data_digest: str | None = None
    source_digest: str | None = None
    synthetic: bool = False
    partial: bool = False
    n: dict[str, int] = {}
    code: dict[str, str] = {}


_decoder: Any = msgspec.json.Decoder(_Record).decode


def _read(path: str, written: int) -> Entry:
    task, method, key = path.split("/")[-4:-1]
    try:
        content = read_content(path)
        if content is None:
            raise UnusableRecordError(f"{path} has just gone")
        check_content(content)
        record = decode(_decoder, content)
        check_values(record.metrics, record.intervals)
        if record.key != key:
            raise UnusableRecordError(f"it is the record of another cell, {record.key}")
    except UnusableRecordError as error:
        return Entry(key, task, method, "unusable", kind="Unusable", message=str(error), written=written)
    failure = record.error or _Error()
    return Entry(
        key,
        record.spec.task,
        record.spec.method,
        record.status,
        record.seconds,
        record.provenance.device,
        failure.kind,
        failure.message.partition("\n")[0],
        record.data_digest,
        record.source_digest,
        record.code,
        record.spec.protocol,
        sum(record.n.values()),
        record.synthetic,
        record.partial,
        written,
        cost_recipe(record.spec.method_config, record.spec.training, record.spec.task_config),
    )
