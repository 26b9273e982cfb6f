"""Which recordings two prepared datasets share: patients by their ids, signals by their fingerprints.

A comparison is made once and kept in the folder of the fingerprints, under the digests of both datasets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmark.api import SPLITS
from benchmark.atomic import write_text
from benchmark.data.store.fingerprints import find_copies, fingerprints, fingerprints_file
from benchmark.data.store.prepared import PreparedDataset

QUICK_BYTES = 6e8  # of signals: their fingerprints take about two seconds
QUICK_PAIRS = 5e7  # of fingerprints: comparing them takes about two seconds


@dataclass(frozen=True)
class Shared:
    """What one split of a dataset (`recordings` of them) has in common with the wanted recordings of another.

    `patients` counts equal ids, which mean something within one dataset only. `copies` maps a wanted recording to the
    one with the same signal.
    """

    recordings: int
    patients: int
    copies: Mapping[str, str]


def shared_recordings(wanted: PreparedDataset, split: str, among: PreparedDataset, folder: Path) -> dict[str, Shared]:
    """Look for the recordings of a split of `wanted` in every split of `among`."""
    path = _result_file(wanted, split, among, folder)
    known = _read(path)
    if known is None:
        known = _compare(wanted, split, among, folder)
        write_text(path, json.dumps({name: asdict(shared) for name, shared in known.items()}))
    return known


def is_quick(wanted: PreparedDataset, split: str, among: PreparedDataset, folder: Path) -> bool:
    """Whether `shared_recordings` answers within a few seconds, for a part of its work is done or there is little."""
    if _result_file(wanted, split, among, folder).is_file():
        return True
    new = {data.digest: data for data in (wanted, among) if not fingerprints_file(data, folder).is_file()}
    pairs = wanted.manifest["splits"].get(split, 0) * len(among)
    return sum(data.manifest["signal_bytes"] for data in new.values()) <= QUICK_BYTES and pairs <= QUICK_PAIRS


def together(parts: Iterable[Shared]) -> Shared:
    """Return what several splits share."""
    parts = list(parts)
    copies = {name: other for part in parts for name, other in part.copies.items()}
    return Shared(sum(part.recordings for part in parts), sum(part.patients for part in parts), copies)


def _compare(wanted: PreparedDataset, split: str, among: PreparedDataset, folder: Path) -> dict[str, Shared]:
    rows = np.flatnonzero(wanted.splits == split)
    patients = set(wanted.patient_ids[rows])
    sought, searched = fingerprints(wanted, folder)[rows], fingerprints(among, folder)
    result = {}
    for part in SPLITS:
        others = np.flatnonzero(among.splits == part)
        copies = find_copies(sought, searched, others)
        named = {str(wanted.record_ids[rows[position]]): str(among.record_ids[row]) for position, row in copies}
        result[part] = Shared(len(others), len(patients & set(among.patient_ids[others])), named)
    return result


def _result_file(wanted: PreparedDataset, split: str, among: PreparedDataset, folder: Path) -> Path:
    return folder / f"{wanted.digest}-{split}-{among.digest}.json"


def _read(path: Path) -> dict[str, Shared] | None:
    """Return a stored comparison; None where there is none that can be read."""
    try:
        return {name: Shared(**shared) for name, shared in json.loads(path.read_text("utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
