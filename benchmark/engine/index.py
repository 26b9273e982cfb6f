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
            entry = _read(Path(path))
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


def _read(path: Path) -> Entry | None:
    try:
        record = json.loads(path.read_text("utf-8"))
        error = record.get("error") or {}
        message = str(error.get("message") or "").partition("\n")[0]
        spec = record["spec"]
        return Entry(
            record["key"],
            spec["task"],
            spec["method"],
            record["status"],
            float(record.get("seconds", 0.0)),
            str(record.get("provenance", {}).get("device", "")),
            str(error.get("kind", "")),
            message,
            record.get("data_digest"),
            record.get("source_digest"),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


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
