"""The index of a dataset, checked as a whole and stored on disk in chunks, so it is never in memory as a whole.

Each recording takes 17 bytes of memory (hashes of its id and its patient, its split), and as much again in a check.
"""

from __future__ import annotations

import hashlib
import itertools
import pickle
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.api import SPLITS, RecordingEntry
from benchmark.errors import DataError, raise_all


@dataclass(frozen=True)
class Index:
    """A checked index in the file `path`; its `digest` changes whenever the original index does."""

    path: Path
    recordings: int
    readable: int  # entries without a problem
    chunk: int  # recordings per chunk
    digest: str

    def chunks(self, skip: int = 0) -> Iterator[list[RecordingEntry]]:
        """Yield the entries in order, chunk by chunk, without the first `skip` chunks."""
        with self.path.open("rb") as file:
            for number in range(-(-self.recordings // self.chunk)):
                entries: list[RecordingEntry] = pickle.load(file)  # our own file, written a moment ago under our lock
                if number >= skip:
                    yield entries

    def __iter__(self) -> Iterator[RecordingEntry]:
        return itertools.chain.from_iterable(self.chunks())


def write_index(name: str, entries: Iterable[RecordingEntry], path: Path, chunk: int) -> Index:
    """Write the entries to `path`; raise `DataError` if ids repeat, splits are unknown or a patient is in two."""
    ids, total = _Seen(), hashlib.sha256()
    with path.open("wb") as file:
        for batch in _batched(entries, chunk):
            for entry in batch:
                ids.add(entry)
                total.update(repr(entry).encode("utf-8", "replace"))
            pickle.dump(batch, file, protocol=pickle.HIGHEST_PROTOCOL)
    index = Index(path, len(ids.splits), ids.readable, chunk, total.hexdigest()[:16])
    raise_all(list(ids.problems(index)), f"the index of {name} cannot be used:", DataError)
    return index


def _batched(entries: Iterable[RecordingEntry], size: int) -> Iterator[list[RecordingEntry]]:
    iterator = iter(entries)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


class _Seen:
    """The checks that every dataset must pass: unique ids, known splits, no patient in two splits."""

    def __init__(self) -> None:
        self.ids, self.patients, self.splits = array("Q"), array("Q"), bytearray()
        self.strange: set[str] = set()
        self.readable = 0

    def add(self, entry: RecordingEntry) -> None:
        if entry.split not in SPLITS:
            self.strange.add(entry.split)
        self.readable += not entry.problem
        self.ids.append(_hash(entry.record_id))
        self.patients.append(_hash(entry.patient_id))
        self.splits.append(SPLITS.index(entry.split) if entry.split in SPLITS else len(SPLITS))

    def problems(self, index: Index) -> Iterator[str]:
        if not self.splits:
            yield "it has no recordings"
        doubled = _repeated(np.frombuffer(self.ids, np.uint64))
        if len(doubled):
            first = _first(index, lambda entry: entry.record_id, doubled)
            yield f"{len(doubled)} record ids occur twice, {first!r} first"
        if self.strange:
            yield f"splits are train, val and test; it has {', '.join(sorted(self.strange))}"
        patients = np.frombuffer(self.patients, np.uint64)
        leaked = _in_two_splits(patients, np.frombuffer(self.splits, np.uint8))
        if len(leaked):
            first = _first(index, lambda entry: entry.patient_id, leaked)
            yield f"{len(leaked)} patients are in more than one split, patient {first!r} first"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def _repeated(hashes: np.ndarray) -> np.ndarray:
    sorted_hashes = np.sort(hashes)
    return np.unique(sorted_hashes[1:][sorted_hashes[1:] == sorted_hashes[:-1]])


def _in_two_splits(patients: np.ndarray, splits: np.ndarray) -> np.ndarray:
    order = np.lexsort((splits, patients))
    patients, splits = patients[order], splits[order]
    return np.unique(patients[1:][(patients[1:] == patients[:-1]) & (splits[1:] != splits[:-1])])


def _first(index: Index, key: Callable[[RecordingEntry], str], hashes: np.ndarray) -> str:
    hash_set = set(hashes.tolist())
    return next(key(entry) for entry in index if _hash(key(entry)) in hash_set)
