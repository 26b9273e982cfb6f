"""Records on disk: one folder per cell, written in one move, no shared file; collected ones also as one file.

The files on disk are the truth. A finished record gives way only to one of other data or other code. An unreadable one
is set aside before it is replaced, never removed.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from benchmark.atomic import temporary_path
from benchmark.errors import UsageError
from benchmark.records.files import Files, Place, files_at
from benchmark.records.paths import PREDICTIONS, RECORD, RESAMPLED, TEXTS, aside_folder, cell_folder
from benchmark.records.record import RunRecord, UnusableRecordError, parse_record, record_text
from benchmark.records.spec import RunSpec


class Store:
    """The records under one folder, or of one Parquet file, which is only read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @functools.cached_property
    def files(self) -> Files:
        """Return the files of the records, in either form."""
        return files_at(self.root)

    def folder(self, spec: RunSpec) -> Path:
        return Path(cell_folder(self.root, spec.task, spec.method, spec.key))

    def read(self, spec: RunSpec) -> RunRecord | None:
        """Return the record of a cell, None where there is none; raise `UnusableRecordError` for an unusable one."""
        content = self.files.read(place_of(spec), RECORD)
        return None if content is None else parse_record(content, spec.key)

    def get(self, spec: RunSpec) -> RunRecord | None:
        """Return the record of a cell, or None when there is none that can be believed."""
        try:
            return self.read(spec)
        except UnusableRecordError:
            return None

    def write(
        self,
        spec: RunSpec,
        record: RunRecord,
        predictions: Mapping[str, np.ndarray] | None = None,
        resampled: np.ndarray | None = None,
        texts: Mapping[str, Sequence[str]] | None = None,
    ) -> Path | None:
        """Store a record with its predictions, resampled metric and texts, unless an existing one must stay.

        Returns the folder to which an unusable record in its place was moved; None where there was none.
        """
        final = self.folder(spec)
        temporary = _temporary_folder(final)
        try:
            if predictions:
                record.predictions = _write(temporary / PREDICTIONS, save(_contiguous(predictions)))
            if resampled is not None:
                record.files[RESAMPLED] = _write(temporary / RESAMPLED, resampled.astype("<f4").tobytes())
            if texts:
                content = json.dumps(dict(texts), ensure_ascii=False, indent=0).encode("utf-8", "replace")
                record.files[TEXTS] = _write(temporary / TEXTS, content)
            _write(temporary / RECORD, record_text(record))
            return self._move(temporary, final, spec, record)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary, ignore_errors=True)

    def resampled(self, spec: RunSpec) -> np.ndarray | None:
        """Return the primary metric on each resample, ``(resamples,)`` float32, or None where none is stored."""
        content = self.files.read(place_of(spec), RESAMPLED)
        return None if content is None else np.frombuffer(content, "<f4")

    def texts(self, spec: RunSpec) -> dict[str, list[str]] | None:
        """Return the texts of a cell, a list per name (``record_ids``, ``generated``); None where it has none."""
        content = self.files.read(place_of(spec), TEXTS)
        if content is None:
            return None
        texts: dict[str, list[str]] = json.loads(content.decode("utf-8"))
        return texts

    def set_aside(self, spec: RunSpec) -> Path | None:
        """Set a cell's folder aside; return its new place, None where there was none."""
        return self._set_aside(self.folder(spec), spec)

    def records(self) -> Iterator[RunRecord]:
        """Yield every record that can be believed, in the order of its path."""
        for place in self.files.places():
            try:
                content = self.files.read(place, RECORD)
                if content is not None:
                    yield parse_record(content, place[2])
            except UnusableRecordError:
                continue

    def find(self, key: str) -> RunRecord:
        """Return the one record whose key has this beginning; raise `UsageError` for none and for several."""
        place = self.place(key)
        try:
            return parse_record(self.content(place), place[2])
        except UnusableRecordError as error:
            where = self.files.name_of(place)
            raise UsageError(f"{where} cannot be used: {error}; run its suite again, which sets it aside") from error

    def place(self, key: str) -> Place:
        """Return the place of the one record whose key has this beginning; raise `UsageError` for none and several."""
        places = [place for place in self.files.places() if key and place[2].startswith(key)]
        if len(places) != 1:
            some = ": " + ", ".join(place[2] for place in places[:5]) if places else ""
            raise UsageError(
                f"{len(places) or 'no'} records under {self.root} have a key that begins with {key!r}{some}; "
                "`ecgarena plan SUITE --json` shows the keys"
            )
        return places[0]

    def content(self, place: Place) -> bytes:
        """Return the bytes of a record that is known to be there; raise `UsageError` if it was removed meanwhile."""
        content = self.files.read(place, RECORD)
        if content is None:
            raise UsageError(f"{self.files.name_of(place)} was removed while it was read; give the command again")
        return content

    def _move(self, temporary: Path, final: Path, spec: RunSpec, record: RunRecord) -> Path | None:
        """Put `temporary` in place. A reader sees the old record, the new one or none, never a half of either."""
        try:
            temporary.rename(final)
            return None
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        try:
            existing = self.read(spec)
        except UnusableRecordError:
            aside = self._set_aside(final, spec)
            temporary.rename(final)
            return aside
        if existing is not None and not gives_way(existing, record):
            return None
        old = temporary_path(final)
        final.rename(old)
        temporary.rename(final)
        shutil.rmtree(old, ignore_errors=True)
        return None

    def _set_aside(self, folder: Path, spec: RunSpec) -> Path | None:
        target = aside_folder(self.root, spec.task, spec.method, spec.key, secrets.token_hex(4))
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except FileNotFoundError:
            return None
        return target


def gives_way(existing: RunRecord, record: RunRecord) -> bool:
    """Whether `record` may replace `existing`.

    A failed record always gives way. A finished one gives way to one of other data or other code, never to a failure
    on the same data or on unknown data.
    """
    if not existing.done:
        return True
    if not record.done:
        return record.data_digest is not None and existing.digests != record.digests
    return existing.digests != record.digests or existing.code != record.code


def place_of(spec: RunSpec) -> Place:
    return spec.task, spec.method, spec.key


def _contiguous(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _temporary_folder(final: Path) -> Path:
    """Make a folder beside `final`, and those above it where they are not there yet."""
    temporary = temporary_path(final)
    try:
        temporary.mkdir()
    except FileNotFoundError:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
    return temporary


def _write(path: Path, content: bytes) -> str:
    """Write a file of the folder that is being made; return its SHA-256."""
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
