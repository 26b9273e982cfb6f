"""The supplement of a prepared dataset: label sets and targets that lie beside the store, outside of its digest.

A store's digest stands in every record made from it. A label set that joined the store would change that digest, and
thousands of finished records would count as stale for labels that they never used. So what a loader declares later lies
in ``supplement/``, made with the store or added to an older one from the original tables, which need no signal:

fold.npy         of a dataset that is divided into folds, ``(n,)`` uint8
NAME.npy         of a label set a ``(n, class)`` uint8 matrix, of a target ``(n,)`` float64, NaN where it is not usable
supplement.json  the digest of the store, the declarations, counts of what is not usable, and a digest and a checksum of
                 each file; with a seal over its own fields, written last

The digest of a label set or target stands in the records of its own cells alone, so changed values make these stale.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import math
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.api import Dataset, RecordingEntry, Target
from benchmark.atomic import temporary_path, write_text
from benchmark.canonical import canonical
from benchmark.data.store import integrity
from benchmark.errors import DataError

FOLDER, MANIFEST = "supplement", "supplement.json"
FOLD = "fold"
FORMAT = 1
MISSING, INFINITE, OUTSIDE = "missing", "infinite", "outside"  # why a number is not usable
BESIDE = "remove {} and run 'ecgarena data prepare' again"


class Supplement:
    """Read access to the supplement of the store in `folder`, which is empty where there is none of this store."""

    def __init__(self, folder: Path, store_digest: str) -> None:
        self.folder = folder / FOLDER
        self.manifest = _read_manifest(self.folder, store_digest)

    @property
    def label_sets(self) -> dict[str, tuple[str, ...]]:
        return {name: tuple(classes) for name, classes in self.manifest.get("label_sets", {}).items()}

    @property
    def targets(self) -> dict[str, Target]:
        return {name: Target(**fields) for name, fields in self.manifest.get("targets", {}).items()}

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.label_sets, *self.targets)

    def digest(self, name: str) -> str | None:
        """Return the digest of a label set or target with its values; None where the supplement lacks it."""
        digest: str | None = self.manifest.get("digests", {}).get(name)
        return digest

    def counts(self, name: str) -> dict[str, int]:
        """Return how many values of a target are not usable, by reason."""
        return dict(self.manifest["counts"][name])

    def values(self, name: str) -> np.ndarray:
        """Read a label set or a target; raise `DataError` if its file is not the one that was written."""
        file, remedy = f"{name}.npy", BESIDE.format(self.folder)
        try:
            content = (self.folder / file).read_bytes()
        except OSError as error:
            raise DataError(f"{self.folder / file} cannot be read: {error}; {remedy}") from None
        if hashlib.sha256(content).hexdigest() != self.manifest[integrity.PARTS][file]["sha256"]:
            raise DataError(f"{self.folder / file} was changed or damaged after it was written; {remedy}")
        return np.asarray(np.load(io.BytesIO(content)))

    def fits(self, dataset: type[Dataset], absent: Collection[str] = ()) -> bool:
        """Whether it holds what the loader declares now, in the same words; without what is `absent`."""
        now = _declarations(dataset, absent)
        return all(self.manifest.get(part, {}) == now[part] for part in now)


def absent_tables(dataset: Dataset | type[Dataset], root: Path | None) -> dict[str, str]:
    """Return the label sets and targets whose optional table does not lie under `root`, with the table's name."""
    return {name: file for name, file in dataset.optional_tables.items() if root is None or not (root / file).is_file()}


def write_supplement(
    store: Path,
    records: Path,
    store_digest: str,
    dataset: Dataset,
    entries: Iterable[RecordingEntry],
    absent: Collection[str] = (),
) -> None:
    """Write the supplement of the store in `store` in one move, from the entries of the dataset's index.

    `records` is the table of the store's recordings. The entries come in the order of the store, with those that the
    preparation left out; label sets and targets that are `absent` are not written. Raises `DataError` where the entries
    are not the recordings of the store.
    """
    folder = temporary_path(store / FOLDER)
    folder.mkdir()
    try:
        _write(folder, records, store_digest, dataset, entries, absent)
        shutil.rmtree(store / FOLDER, ignore_errors=True)
        folder.rename(store / FOLDER)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(
    folder: Path,
    records: Path,
    store_digest: str,
    dataset: Dataset,
    entries: Iterable[RecordingEntry],
    absent: Collection[str],
) -> None:
    rows = sum(1 for _ in _record_ids(records))
    declarations = _declarations(type(dataset), absent)
    label_sets: dict[str, list[str]] = declarations["label_sets"]
    matrices = {name: _create(folder, name, np.uint8, (rows, len(classes))) for name, classes in label_sets.items()}
    numbers = {name: _create(folder, name, np.float64, (rows,)) for name in declarations["targets"]}
    folds = {FOLD: _create(folder, FOLD, np.uint8, (rows,))} if dataset.folds else {}
    places = {name: {label: at for at, label in enumerate(classes)} for name, classes in label_sets.items()}
    counts: dict[str, Counter[str]] = {name: Counter() for name in numbers}
    for row, entry in _in_store(entries, records, rows):
        for name, matrix in matrices.items():
            matrix[row, [places[name][label] for label in entry.labels.get(name, ())]] = 1
        for name, column in numbers.items():
            column[row], reason = usable(entry.targets.get(name), dataset.targets[name])
            counts[name].update([reason] if reason else [])
        for column in folds.values():
            column[row] = entry.fold
    arrays: dict[str, np.ndarray] = {**matrices, **numbers, **folds}
    digests = {name: _digest(array, _about(name, declarations)) for name, array in arrays.items()}
    for array in arrays.values():
        if isinstance(array, np.memmap):
            array.flush()
    manifest = {
        "format": FORMAT,
        "store": store_digest,
        **declarations,
        "counts": {name: dict(sorted(reasons.items())) for name, reasons in counts.items()},
        "digests": digests,
        integrity.PARTS: integrity.measure_parts(folder, [f"{name}.npy" for name in arrays]),
    }
    write_text(folder / MANIFEST, json.dumps(integrity.seal(manifest), indent=1, ensure_ascii=False))


def usable(value: float | None, target: Target) -> tuple[float, str]:
    """Return a number as it is stored, NaN where it is not usable, and why it is not; "" where it is."""
    if value is None or math.isnan(value):
        return math.nan, MISSING
    if math.isinf(value):
        return math.nan, INFINITE
    return (value, "") if target.low <= value <= target.high else (math.nan, OUTSIDE)


def left_out(counts: Mapping[str, int], target: Target) -> str:
    """Return ``293 outside of 0 to 89 years (everybody over 89 is coded 300)``, by reason."""
    code = f" ({target.outside})" if target.outside else ""
    words = {OUTSIDE: f"outside of {target.low:g} to {target.high:g} {target.unit}{code}"}
    return ", ".join(f"{count:,} {words.get(reason, reason)}" for reason, count in counts.items())


def _in_store(entries: Iterable[RecordingEntry], records: Path, rows: int) -> Iterator[tuple[int, RecordingEntry]]:
    """Yield row and entry of every recording of the store: both have one order, and the store lacks some entries."""
    ids = _record_ids(records)
    record_id, row = next(ids, None), 0
    for entry in entries:
        if entry.record_id == record_id:
            yield row, entry
            record_id, row = next(ids, None), row + 1
    if row != rows:
        raise DataError(
            f"{records.parent} was prepared from other original files: recording {record_id} is not among them in its "
            f"place; remove the store and run 'ecgarena data prepare' again"
        )


def _record_ids(records: Path) -> Iterator[str]:
    with records.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["record_id"]


def _create(folder: Path, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
    """Return an array that lies in its file, filled with zeros: memory does not grow with the dataset."""
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape)


def _declarations(dataset: type[Dataset], absent: Collection[str] = ()) -> dict[str, Any]:
    """Return what the loader declares without what is `absent`, in the form of the manifest."""
    label_sets = {name: list(classes) for name, classes in dataset.further_label_sets.items() if name not in absent}
    targets = {name: canonical(asdict(target)) for name, target in dataset.targets.items() if name not in absent}
    folds = {"folds": dataset.folds} if dataset.folds else {}
    return {"label_sets": label_sets, "targets": targets, **folds}


def _about(name: str, declarations: Mapping[str, Any]) -> str:
    """Return what the values of a label set or target mean: its classes in their order, or its unit."""
    if name == FOLD and FOLD not in declarations["label_sets"]:
        return json.dumps(declarations["folds"])
    return json.dumps(declarations["label_sets"].get(name) or declarations["targets"][name]["unit"])


def _digest(array: np.ndarray, about: str) -> str:
    total = hashlib.sha256(about.encode())
    for start in range(0, len(array), 65536):
        total.update(np.ascontiguousarray(array[start : start + 65536]).tobytes())
    return total.hexdigest()[:16]


@functools.lru_cache(maxsize=64)
def _parse(content: bytes, folder: Path) -> dict[str, Any]:
    """Return the fields of a manifest; raise `DataError` where they are not those that were written."""
    try:
        manifest: dict[str, Any] = json.loads(content)
        intact = manifest == integrity.seal(manifest)
    except (ValueError, TypeError, AttributeError):
        intact = False
    if not intact:
        problem = "was changed or damaged after it was written"
        raise DataError(f"{folder / MANIFEST} {problem}; {BESIDE.format(folder)}")
    return manifest


def _read_manifest(folder: Path, store_digest: str) -> dict[str, Any]:
    try:
        content = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        return {}
    manifest = _parse(content, folder)
    if manifest.get("format") != FORMAT:
        raise DataError(f"{folder} was written by another version; {BESIDE.format(folder)}")
    return manifest if manifest["store"] == store_digest else {}  # that of another store says nothing about this one
