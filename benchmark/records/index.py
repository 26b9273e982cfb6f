"""An index of all records for standings and estimates; unchanged records are not read again.

``HOME/records.index.json`` is a mere cache: an entry holds as long as its record's file has the time of change and the
size that the entry names. Removing the cache costs a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.cache.checksums import DamagedFileError, dismiss
from benchmark.cache.json_files import read_json, write_json
from benchmark.errors import DiskError
from benchmark.paths import Home
from benchmark.records.files import Files, Folder, Place, files_at
from benchmark.records.paths import INDEX, RECORD, RESAMPLED, record_file
from benchmark.records.record import RunRecord, UnusableRecordError, parse_record
from benchmark.records.spec import RunSpec, cost_recipe
from benchmark.records.store import place_of


class Entry(NamedTuple):
    """A record in short.

    `kind` and `message` are those of a failure, or say why a record is `unusable`; `data` and `source` are digests of
    datasets, `values` is that of a label set or target beside its store, `recordings` counts train, validation and test
    together.
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
    written_ns: int = 0  # time of writing
    recipe: tuple[str, str] = ("", "")  # see `spec.cost_recipe`
    values: str | None = None

    @property
    def done(self) -> bool:
        return self.status == "done"

    @property
    def usable(self) -> bool:
        return self.status != "unusable"


def read_index(home: Home) -> dict[str, Entry]:
    """Return an entry for every record by its key, unusable records included."""
    cache = home.root / INDEX
    cached_entries = _cached(cache)
    entries: dict[str, tuple[int, int, Entry]] = {}
    read = 0
    files = Folder(home.records)
    for place in files.places():
        path, state = record_file(home.records, *place), files.state(place)
        if state is None:
            continue
        cached = cached_entries.get(path)
        if cached is None or cached[:2] != state[:2]:
            read += 1
            cached = (*state[:2], _read(files, place, state[2]))
        entries[path] = cached
    if read or len(entries) != len(cached_entries):
        _keep(cache, entries)
    return {entry.key: entry for *_, entry in entries.values()}


def read_entry(root: Path, spec: RunSpec) -> Entry | None:
    """Return the entry of one cell's record; None where there is none."""
    files, place = files_at(root), place_of(spec)
    state = files.state(place)
    return None if state is None else _read(files, place, state[2])


def writing_times(root: Path, specs: Iterable[RunSpec]) -> dict[str, int]:
    """Return when the records of cells were written, in ns by key; cells without one have no entry.

    A record is new where this has changed. To hold it against a clock would be wrong: a file server has its own, and
    clocks are put back.
    """
    files = files_at(root)
    states = {spec.key: files.state(place_of(spec)) for spec in specs}
    return {key: state[2] for key, state in states.items() if state is not None}


def _cached(cache: Path) -> dict[str, tuple[int, int, Entry]]:
    try:
        content, _ = read_json(cache)
        return {path: (time, size, _entry(fields)) for path, time, size, *fields in content["entries"]}
    except FileNotFoundError:
        return {}
    except DamagedFileError as error:
        dismiss(cache, error)
    except (ValueError, TypeError, KeyError):
        pass  # a cache of older code
    return {}


def _entry(fields: list[Any]) -> Entry:
    """Return an entry from its cached fields; raise ValueError for the number of fields of another version."""
    if len(fields) != len(Entry._fields):
        raise ValueError(f"{len(fields)} fields")
    entry = Entry(*fields)
    return entry._replace(recipe=(entry.recipe[0], entry.recipe[1]))


def _keep(cache: Path, entries: dict[str, tuple[int, int, Entry]]) -> None:
    """Write the cache; do nothing in a home that cannot be written to, which can still be read."""
    with suppress(DiskError):
        write_json(cache, {"entries": [[path, time, size, *entry] for path, (time, size, entry) in entries.items()]})


def entry_of(record: RunRecord, task: str, method: str, written_ns: int = 0) -> Entry:
    """Return the entry of a record."""
    error = record.error or {}
    return Entry(
        record.key,
        task,
        method,
        record.status,
        record.seconds,
        str(record.provenance.get("device", "")),
        error.get("kind", ""),
        error.get("message", "").partition("\n")[0],
        record.data_digest,
        record.source_digest,
        record.code,
        record.spec["protocol"],
        sum(record.n.values()),
        record.synthetic,
        record.partial,
        written_ns,
        values=record.values_digest,
    )


def unusable_entry(task: str, method: str, key: str, error: UnusableRecordError, written_ns: int = 0) -> Entry:
    """Return the entry of a record that cannot be believed, with the reason."""
    return Entry(key, task, method, "unusable", kind="Unusable", message=str(error), written_ns=written_ns)


def _read(files: Files, place: Place, written_ns: int) -> Entry:
    task, method, key = place
    try:
        content = files.read(place, RECORD)
        if content is None:
            raise UnusableRecordError(f"{files.name_of(place)} was removed while it was read")
        record = parse_record(content, key)
        check_resampled(files, place, record)
    except UnusableRecordError as error:
        return unusable_entry(task, method, key, error, written_ns)
    configs = record.spec["method_config"], record.spec.get("training"), record.spec["task_config"]
    return entry_of(record, task, method, written_ns)._replace(recipe=cost_recipe(*configs))


def check_resampled(files: Files, place: Place, record: RunRecord) -> None:
    """Raise `UnusableRecordError` where the resamples beside a record were not written with it."""
    expected = record.files.get(RESAMPLED)
    content = None if expected is None else files.read(place, RESAMPLED)
    if expected is not None and (content is None or hashlib.sha256(content).hexdigest() != expected):
        raise UnusableRecordError(f"{RESAMPLED} beside it is not the one that was written with it")
