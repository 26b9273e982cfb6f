"""Records on disk: one folder per cell, written in one move, no shared file.

The files on disk are the truth. A finished record gives way only to one of other data or other code. An unreadable one
is set aside before it is replaced, never removed.
"""

from __future__ import annotations

import errno
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
from benchmark.records.paths import (
    PREDICTIONS,
    RECORD,
    RESAMPLED,
    TEXTS,
    aside_folder,
    cell_folder,
    record_file,
    record_files,
)
from benchmark.records.record import RunRecord, UnusableRecordError, parse_record, record_text
from benchmark.records.spec import RunSpec


class Store:
    """The records under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, spec: RunSpec) -> Path:
        return Path(cell_folder(self.root, spec.task, spec.method, spec.key))

    def read(self, spec: RunSpec) -> RunRecord | None:
        """Return the record of a cell, None where there is none; raise `UnusableRecordError` for an unusable one."""
        content = read_content(record_file(self.root, spec.task, spec.method, spec.key))
        return None if content is None else parse_record(content)

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
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(final)
        temporary.mkdir()
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
        path = self.folder(spec) / RESAMPLED
        return np.fromfile(path, "<f4") if path.is_file() else None

    def texts(self, spec: RunSpec) -> dict[str, list[str]] | None:
        """Return the texts of a cell, a list per name (``record_ids``, ``generated``); None where it has none."""
        path = self.folder(spec) / TEXTS
        if not path.is_file():
            return None
        content: dict[str, list[str]] = json.loads(path.read_text("utf-8"))
        return content

    def set_aside(self, spec: RunSpec) -> Path | None:
        """Set a cell's folder aside; return its new place, None where there was none."""
        return self._set_aside(self.folder(spec), spec)

    def records(self) -> Iterator[RunRecord]:
        """Yield every record that can be believed, in the order of its path."""
        for path in record_files(self.root):
            try:
                content = read_content(path)
                if content is not None:
                    yield parse_record(content)
            except UnusableRecordError:
                continue

    def find(self, key: str) -> RunRecord:
        """Return the one record whose key has this beginning; raise `UsageError` for none and for several."""
        paths = [path for path in record_files(self.root) if key and Path(path).parent.name.startswith(key)]
        if len(paths) != 1:
            some = ": " + ", ".join(Path(path).parent.name for path in paths[:5]) if paths else ""
            raise UsageError(
                f"{len(paths) or 'no'} records under {self.root} have a key that begins with {key!r}{some}; "
                "`ecgarena plan SUITE --json` shows the keys"
            )
        content = read_content(paths[0])
        if content is None:
            raise UsageError(f"{paths[0]} has just gone; give the command again")
        try:
            return parse_record(content)
        except UnusableRecordError as error:
            raise UsageError(f"{paths[0]} cannot be used: {error}; run its suite again, which sets it aside") from error

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


def read_content(path: str) -> bytes | None:
    """Return the bytes of a record's file, None where there is none; raise `UnusableRecordError` if unreadable."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a Path costs more than the reading)
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnusableRecordError(f"{path} cannot be read: {error.strerror}") from error


def _contiguous(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _write(path: Path, content: bytes) -> str:
    """Write a file of the folder that is being made; return its SHA-256."""
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
