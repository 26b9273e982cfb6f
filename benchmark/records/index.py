"""All records in short, for `status` and for estimates, without reading twice what has not changed.

``HOME/records.index.json`` is a cache and nothing else: an entry holds as long as its record's file has the time of
writing that stands beside it, and whoever removes the cache loses a second.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmark.atomic import write_text
from benchmark.paths import Home

RECORD, CACHE = "record.json", "records.index.json"


class Entry(NamedTuple):
    """A record in short; `kind` and `message` are those of a failure, `data` and `source` digests of datasets."""

    key: str
    task: str
    method: str
    status: str
    seconds: float
    device: str
    kind: str
    message: str
    data: str | None
    source: str | None

    @property
    def done(self) -> bool:
        return self.status == "done"


def read_index(home: Home) -> dict[str, Entry]:
    """Every readable record by its key."""
    cache = home.root / CACHE
    known = _cached(cache)
    found: dict[str, tuple[int, Entry]] = {}
    read = 0
    for path, time in _files(home.records):
        held = known.get(path)
        if held is None or held[0] != time:
            read += 1
            entry = _read(path)
            held = (time, entry) if entry else None
        if held is not None:
            found[path] = held
    if read or len(found) != len(known):
        _keep(cache, found)
    return {entry.key: entry for _, entry in found.values()}


def _cached(cache: Path) -> dict[str, tuple[int, Entry]]:
    try:
        stored = json.loads(cache.read_text("utf-8"))
        return {path: (time, Entry(*fields)) for path, time, *fields in stored}
    except (OSError, ValueError, TypeError):
        return {}


def _keep(cache: Path, found: dict[str, tuple[int, Entry]]) -> None:
    """A home that cannot be written to can still be looked at."""
    try:
        write_text(cache, json.dumps([[path, time, *entry] for path, (time, entry) in found.items()]))
    except OSError:
        return


class _Spec(msgspec.Struct):
    task: str
    method: str


class _Error(msgspec.Struct):
    kind: str = ""
    message: str = ""


class _Provenance(msgspec.Struct):
    device: str = ""


class _Record(msgspec.Struct):
    """The few fields of a `RunRecord` that an entry needs; the others are stepped over, not made."""

    key: str
    spec: _Spec
    status: str
    seconds: float = 0.0
    error: _Error | None = None
    provenance: _Provenance = msgspec.field(default_factory=_Provenance)
    data_digest: str | None = None
    source_digest: str | None = None


_decode = msgspec.json.Decoder(_Record, strict=False).decode


def _read(path: str) -> Entry | None:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (see `_files`)
            record = _decode(file.read())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    error = record.error or _Error()
    return Entry(
        record.key,
        record.spec.task,
        record.spec.method,
        record.status,
        record.seconds,
        record.provenance.device,
        error.kind,
        error.message.partition("\n")[0],
        record.data_digest,
        record.source_digest,
    )


def _files(root: Path) -> Iterator[tuple[str, int]]:
    """Path and time of writing of every record under ``root/task/method/key``."""
    for task in _folders(root):
        for method in _folders(task):
            for cell in _folders(method):
                path = f"{cell}/{RECORD}"
                try:
                    yield path, os.stat(path).st_mtime_ns  # noqa: PTH116 (a Path costs as much as the call, 20,000 times)
                except OSError:
                    continue


def _folders(root: Path | str) -> Iterator[str]:
    try:
        with os.scandir(root) as entries:
            yield from [entry.path for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return
