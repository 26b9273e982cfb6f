"""Preparation of a dataset: original files in, a `PreparedDataset` out, broken recordings counted and named.

First the index is read and checked as a whole, then the recordings are read in chunks, optionally by several
processes. A killed preparation resumes after its last chunk, as long as files and options are the same.
"""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from benchmark.api import LEADS, Dataset
from benchmark.canonical import canonical, digest
from benchmark.configuration import complete, distinct
from benchmark.data.store import prepared as store
from benchmark.data.store.completeness import excluded_before, expected_recordings, lacking
from benchmark.data.store.integrity import MANIFEST, damage, read_part
from benchmark.data.store.preparation_log import PreparationLog, list_reasons, read_lines
from benchmark.data.store.prepared import PreparedDataset
from benchmark.data.store.quality_checks import EINTHOVEN_TOLERANCE, read_chunks
from benchmark.data.store.recording_index import Index, write_index
from benchmark.data.store.store_writer import LEFT_OUT, StoreWriter
from benchmark.data.store.supplement import absent_tables, write_supplement
from benchmark.errors import DataError, MissingError, UsageError, raise_all
from benchmark.paths import Home, dataset_root
from benchmark.registry import DATASETS

__all__ = ["EINTHOVEN_TOLERANCE", "PreparationLog", "open_dataset", "prepare", "prepared_path", "read_preparation_log"]

Progress = Callable[[int, int], None]  # recordings done, recordings in all
Say = Callable[[str], None]

INDEX = "index.pickle"
CHUNK_BYTES, CHUNK_RECORDINGS = 8_000_000, 256  # approximate upper limits of a chunk
SPARE = 1.1  # factor on the size of the signals, for tables and calibration


def open_dataset(name: str, config: dict[str, Any], home: Home) -> PreparedDataset:
    """Open a prepared dataset; raise `MissingError` with the command that prepares it if it is missing."""
    cls = DATASETS.get(name)
    config = distinct(cls, config, f"dataset {name}")
    path = prepared_path(name, config, home)
    if not (path / MANIFEST).is_file():
        raise MissingError(f"{name} is not prepared at {path}; run '{_how_to_prepare(name, config, home)}'")
    dataset = PreparedDataset(path)
    if dataset.manifest["version"] != cls.card.version:
        versions = f"version {dataset.manifest['version']} of {name}, now it is version {cls.card.version}"
        raise DataError(f"{path} was prepared from {versions}; remove that folder and prepare it again")
    _refuse_another(dataset, name, config, cls.card.synthetic)
    if "expected" not in dataset.manifest:
        dataset.expected = _expected_by_now(dataset, cls(**complete(cls, config, f"dataset {name}")))
    return dataset


def _expected_by_now(data: PreparedDataset, loader: Dataset) -> int | None:
    """Return how many recordings an older store should hold; its log is read only if the store seems incomplete."""
    expected = expected_recordings(loader, excluded=0)
    if not lacking(len(data), expected):
        return expected
    return expected_recordings(loader, excluded_before(read_part(data.path, store.REPORT, data.manifest)))


def _refuse_another(data: PreparedDataset, name: str, config: dict[str, Any], synthetic: bool) -> None:
    """Raise `DataError` if the manifest describes another dataset; older stores have no seal against edits."""
    manifest, truth = data.manifest, {"dataset": name, "config": canonical(config), "synthetic": synthetic}
    wrong = [
        f"{field} is {manifest.get(field)}, it must be {value}"
        for field, value in truth.items()
        if manifest.get(field) != value
    ]
    if wrong:
        raise damage(data.path, MANIFEST, "; ".join(wrong))


def prepare(
    name: str,
    config: dict[str, Any],
    home: Home,
    root: Path | None = None,
    progress: Progress | None = None,
    workers: int = 1,
    say: Say | None = None,
) -> PreparedDataset:
    """Return the prepared dataset, preparing it first if necessary; safe to call from several processes.

    A store that was prepared before its loader had some label set or target gets these from the original tables, as far
    as the tables are at hand; its digest stays. The result does not depend on `workers`. `say` receives messages: the
    disk space needed, a preparation resumed.
    """
    if workers < 1:
        raise UsageError(f"a preparation needs at least one worker, not {workers}")
    cls = DATASETS.get(name)
    options = complete(cls, config, f"dataset {name}")
    config = distinct(cls, config, f"dataset {name}")
    say = say or (lambda text: None)
    target = prepared_path(name, config, home)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target, say):
        if not (target / MANIFEST).is_file():
            dataset = cls(**options)
            root = _require_root(name, dataset, root)
            partial = target.with_name(f"{target.name}.partial")  # if it exists, a killed run left it: we hold the lock
            partial.mkdir(exist_ok=True)
            made_from = {"format": store.FORMAT, "dataset": name, "version": cls.card.version, "config": config}
            with _room(partial):
                _prepare(dataset, root, partial, made_from, workers, progress, say)
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        data = open_dataset(name, config, home)
        if not data.supplement.fits(cls):
            _add_supplement(data, cls(**options), root, say)
    return open_dataset(name, config, home)


def _add_supplement(data: PreparedDataset, dataset: Dataset, root: Path | None, say: Say) -> None:
    """Add to the store what its loader declares beside it; note it if the original tables are missing."""
    name = data.manifest["dataset"]
    absent = [place for place in (*dataset.further_label_sets, *dataset.targets) if place not in data.places]
    folder = dataset_root(name, root) if dataset.needs_root else None
    if dataset.needs_root and (folder is None or not folder.is_dir()):
        lack = f"lacks {', '.join(absent)}" if absent else "has the supplement of an older loader"
        say(f"{data.path} {lack}; set ECGARENA_DATA to the folder that holds {name}/ to have it added")
        return
    tables = absent_tables(dataset, folder)
    for place, file in tables.items():
        say(f"{place} is not written: {file} is not in {folder}; {dataset.remedy}")
    if data.supplement.fits(type(dataset), tables) or any(place in data.places for place in tables):
        return  # nothing else is new, or writing would lose what an absent table gave
    new = [place for place in absent or data.supplement.names if place not in tables]
    say(f"writing {', '.join(new)} beside the store, whose digest stays")
    with _room(data.path):
        write_supplement(data.path, data.path / store.RECORDS, data.digest, dataset, dataset.entries(folder), tables)


def prepared_path(name: str, config: dict[str, Any], home: Home) -> Path:
    """Return ``HOME/data/ptbxl-rate500``: name and non-default options, or a digest if these are long or unusual."""
    readable = "-".join(f"{key}{value}" for key, value in sorted(config.items()))
    plain = len(readable) <= 80 and all(letter.isalnum() or letter in "-._" for letter in readable)
    return home.data / f"{name}-{readable if plain else digest(config)}".rstrip("-")


def _how_to_prepare(name: str, config: dict[str, Any], home: Home) -> str:
    """Return the command that prepares the dataset with the options of `config`."""
    cls = DATASETS.get(name)
    assigned = [word for key, value in distinct(cls, config, name).items() for word in ("--set", f"{key}={value}")]
    root = ["--root", "FOLDER"] if cls.needs_root else []
    return home.command("data", "prepare", name, *assigned, *root)


def read_preparation_log(data: PreparedDataset) -> PreparationLog:
    """Read which recordings the preparation left out and which oddities it saw."""
    return PreparationLog.from_json(json.loads(read_part(data.path, store.REPORT, data.manifest)))


@contextlib.contextmanager
def _locked(target: Path, say: Say) -> Iterator[None]:
    lock = FileLock(f"{target}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another process prepares {target.name}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _require_root(name: str, dataset: Dataset, folder: Path | None) -> Path | None:
    if not dataset.needs_root:
        return None
    root = dataset_root(name, folder)
    if root is None:
        remedy = f"set ECGARENA_DATA to the folder that holds {name}/, or pass --root; {dataset.remedy}"
        raise MissingError(f"the original files of {name} are not known: {remedy}")
    if not root.is_dir():
        raise MissingError(f"{root} is no folder; {dataset.remedy}")
    return root


def _recording_bytes(dataset: Dataset) -> float:
    return len(LEADS) * dataset.rate * dataset.seconds * 2


def _require_space(folder: Path, dataset: Dataset, index: Index, bytes_written: int, say: Say) -> None:
    bytes_needed = int(index.readable * _recording_bytes(dataset) * SPARE) - bytes_written
    free = shutil.disk_usage(folder).free
    counts = f"{index.recordings} recordings, {index.readable} of them to be read"
    say(f"{counts}; the store needs about {_size(bytes_needed)} of {_size(free)} free in {folder.parent}")
    if free < bytes_needed:
        raise MissingError(
            f"{folder.parent} has {_size(free)} free, the preparation needs {_size(bytes_needed)}; make room, "
            "or choose another folder with --home"
        )


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(count, 0) / 1e6:.1f} MB"


def _prepare(
    dataset: Dataset,
    root: Path | None,
    folder: Path,
    made_from: dict[str, Any],
    workers: int,
    progress: Progress | None,
    say: Say,
) -> None:
    """Index the dataset, check the disk space, start or resume, write chunk by chunk, finish."""
    name = made_from["dataset"]
    say(f"reading the index of {name}")
    chunk = max(1, min(CHUNK_RECORDINGS, int(CHUNK_BYTES / _recording_bytes(dataset))))
    index = write_index(name, dataset.entries(root), folder / INDEX, chunk)
    writer = StoreWriter(folder, dataset, index, made_from)
    _require_space(folder, dataset, index, writer.bytes_written, say)
    done = min(writer.chunks * index.chunk, index.recordings)
    if done:
        say(f"going on after {done} recordings that are prepared already")
    progress = progress or (lambda done, total: None)
    progress(done, index.recordings)
    for entries, screened_chunk in read_chunks(dataset, root, index.chunks(skip=writer.chunks), workers):
        writer.append(entries, screened_chunk)
        done += len(entries)
        progress(done, index.recordings)
    if not writer.recordings:
        reasons = list_reasons(read_lines(folder / LEFT_OUT))
        shutil.rmtree(folder)
        raise_all(reasons, f"none of the {index.recordings} recordings of {name} can be read:", DataError)
    writer.finish()


@contextlib.contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Turn a full disk into an error that says how to resume."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        remedy = "make room and start the preparation again: it goes on where it stopped"
        raise MissingError(f"{folder.parent} is full; {remedy}") from None
