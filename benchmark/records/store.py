"""Records on disk: one folder per cell, written in one move, no shared file.

``records/<task>/<method>/<key>/record.json``, with ``predictions.safetensors`` and ``resampled.f32`` (the primary
metric on each resample of the test patients, little-endian float32) beside it, and the written reports in
``texts.json``. What lies on disk is the truth; a folder whose record cannot be read counts as not there.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from benchmark.errors import UsageError
from benchmark.records.record import RunRecord, RunSpec

RECORD, PREDICTIONS, RESAMPLED = "record.json", "predictions.safetensors", "resampled.f32"
TEXTS = "texts.json"


class Store:
    """The records under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, spec: RunSpec) -> Path:
        return self.root / spec.task / spec.method / spec.key

    def get(self, spec: RunSpec) -> RunRecord | None:
        """The record of a cell, or None when there is none that can be read."""
        return read_record(self.folder(spec))

    def put(
        self,
        spec: RunSpec,
        record: RunRecord,
        predictions: Mapping[str, np.ndarray] | None = None,
        resampled: np.ndarray | None = None,
        texts: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Store a record with its predictions, resampled metric and texts; a finished record is never replaced.

        A failed one is: it is moved aside first, so that a reader sees the old, the new or no record.
        """
        final = self.folder(spec)
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = final.parent / f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}"
        temporary.mkdir()
        try:
            if predictions:
                record.predictions = _write_predictions(temporary / PREDICTIONS, predictions)
            if resampled is not None:
                resampled.astype("<f4").tofile(temporary / RESAMPLED)
            if texts:
                (temporary / TEXTS).write_text(json.dumps(dict(texts), ensure_ascii=False, indent=0), "utf-8")
            (temporary / RECORD).write_text(record_text(record), "utf-8")
            self._move(temporary, final, record)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary, ignore_errors=True)

    def resampled(self, spec: RunSpec) -> np.ndarray | None:
        """The primary metric on each resample, ``(resamples,)`` float32, or None where none is stored."""
        path = self.folder(spec) / RESAMPLED
        return np.fromfile(path, "<f4") if path.is_file() else None

    def texts(self, spec: RunSpec) -> dict[str, list[str]] | None:
        """What the cell wrote, a list per name (``record_ids``, ``generated``), or None where nothing is stored."""
        path = self.folder(spec) / TEXTS
        if not path.is_file():
            return None
        found: dict[str, list[str]] = json.loads(path.read_text("utf-8"))
        return found

    def discard(self, spec: RunSpec) -> None:
        """Remove a cell's folder (its record belongs to other data, or is to be made again)."""
        final = self.folder(spec)
        aside = final.parent / f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}"
        if final.exists():
            final.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def records(self) -> Iterator[RunRecord]:
        """Every readable record, in the order of its path."""
        for path in sorted(self.root.glob(f"*/*/*/{RECORD}")):
            if not path.parent.name.startswith("."):
                record = read_record(path.parent)
                if record is not None:
                    yield record

    def find(self, key: str) -> RunRecord:
        """The one record whose key begins so; raise `UsageError` when there is none or more than one."""
        found = sorted(path for path in self.root.glob(f"*/*/{key}*/{RECORD}") if key and path.parent.name[0] != ".")
        if len(found) != 1:
            some = ": " + ", ".join(path.parent.name for path in found[:5]) if found else ""
            raise UsageError(
                f"{len(found) or 'no'} records under {self.root} have a key that begins with {key!r}{some}; "
                "`ecgarena plan SUITE --json` shows the keys"
            )
        record = read_record(found[0].parent)
        if record is None:
            raise UsageError(f"{found[0]} cannot be read; remove it and run its suite again")
        return record

    def _move(self, temporary: Path, final: Path, record: RunRecord) -> None:
        try:
            temporary.rename(final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            existing = read_record(final)
            if existing is not None and existing.done and existing.digests == record.digests:
                return  # another worker was first; finished cells of the same data stay as they are
            aside = final.parent / f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}"
            final.rename(aside)
            temporary.rename(final)
            shutil.rmtree(aside, ignore_errors=True)


def record_text(record: RunRecord) -> str:
    """JSON with one line per field: readable and easy on diffs, and ten times faster than full indentation."""
    lines = (
        f"{json.dumps(name)}: {json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)}"
        for name, value in sorted(record.to_json().items())
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_record(folder: Path) -> RunRecord | None:
    try:
        return RunRecord.from_json(json.loads((folder / RECORD).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write_predictions(path: Path, predictions: Mapping[str, np.ndarray]) -> str:
    content = save({name: np.ascontiguousarray(array) for name, array in predictions.items()})
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
