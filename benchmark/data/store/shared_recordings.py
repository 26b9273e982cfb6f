"""Comparison of two prepared datasets for shared recordings: patients by id, signals by fingerprint.

Each comparison is made once and cached in the folder of the fingerprints, under the digests of both datasets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.api import SPLITS
from benchmark.cache.json_files import stored_json
from benchmark.data.store.fingerprints import find_copies, fingerprints, fingerprints_file
from benchmark.data.store.prepared import PreparedDataset

QUICK_BYTES = 6e8  # of signals: their fingerprints take about two seconds
QUICK_PAIRS = 5e7  # of fingerprints: comparing them takes about two seconds


@dataclass(frozen=True)
class Part:
    """Some recordings of a dataset, by their `rows` in it; the `name` says which they are, in the name of a file."""

    name: str
    rows: np.ndarray

    @classmethod
    def of_split(cls, data: PreparedDataset, split: str) -> Part:
        return cls(split, np.flatnonzero(data.splits == split))


@dataclass(frozen=True)
class Shared:
    """The overlap of a dataset with one split of another dataset; that split holds `recordings`.

    `patients` counts equal ids, which are meaningful only within one dataset. `copies` maps a recording to the
    recording of that split with the same signal.
    """

    recordings: int
    patients: int
    copies: Mapping[str, str]


def shared_recordings(
    data: PreparedDataset, part: str | Part, other: PreparedDataset, folder: Path
) -> dict[str, Shared]:
    """Look for the recordings of a split or part of `data` in every split of `other`; it is cached in `folder`."""
    path = _result_file(data, part, other, folder)
    return stored_json(path, lambda: _plain(_compare(data, part, other, folder)), _parse)


def is_quick(data: PreparedDataset, part: str | Part, other: PreparedDataset, folder: Path) -> bool:
    """Whether `shared_recordings` takes seconds at most: the result is cached, or the datasets are small."""
    if _result_file(data, part, other, folder).is_file():
        return True
    new = {one.digest: one for one in (data, other) if not fingerprints_file(one, folder).is_file()}
    count = data.manifest["splits"].get(part, 0) if isinstance(part, str) else len(part.rows)
    pairs = count * len(other)
    return sum(one.manifest["signal_bytes"] for one in new.values()) <= QUICK_BYTES and pairs <= QUICK_PAIRS


def merge_overlaps(parts: Iterable[Shared]) -> Shared:
    """Merge the overlaps of several splits."""
    parts = list(parts)
    copies = {name: copy for part in parts for name, copy in part.copies.items()}
    return Shared(sum(part.recordings for part in parts), sum(part.patients for part in parts), copies)


def _compare(data: PreparedDataset, part: str | Part, other: PreparedDataset, folder: Path) -> dict[str, Shared]:
    rows = (Part.of_split(data, part) if isinstance(part, str) else part).rows
    patients = set(data.patient_ids[rows])
    queries, candidates = fingerprints(data, folder)[rows], fingerprints(other, folder)
    result = {}
    for split in SPLITS:
        among = np.flatnonzero(other.splits == split)
        pairs = find_copies(queries, candidates, among)
        copies = {str(data.record_ids[rows[position]]): str(other.record_ids[row]) for position, row in pairs}
        result[split] = Shared(len(among), len(patients & set(other.patient_ids[among])), copies)
    return result


def _result_file(data: PreparedDataset, part: str | Part, other: PreparedDataset, folder: Path) -> Path:
    return folder / f"{data.digest}-{part if isinstance(part, str) else part.name}-{other.digest}.json"


def _plain(result: Mapping[str, Shared]) -> dict[str, Any]:
    return {name: asdict(shared) for name, shared in result.items()}


def _parse(content: Mapping[str, Any]) -> dict[str, Shared]:
    return {name: Shared(**shared) for name, shared in content.items()}
