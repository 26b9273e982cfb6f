"""Checks of a dataset: an index by patient, splits without shared patients, integers with their gain."""

from __future__ import annotations

import functools
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmark.api import LEADS, SPLITS, Dataset, RecordingEntry
from benchmark.contract import Checks
from benchmark.data.signals.signal import to_millivolt

LARGEST = 20.0  # mV; larger values are in other units
SAMPLE = 5  # recordings


def dataset_checks(dataset: Dataset, write: Callable[[Path], None] | None = None, root: Path | None = None) -> Checks:
    """Return the checks by name.

    They run on the original files in `root`, or on what `write` puts into an empty folder.
    """

    @functools.cache
    def files() -> tuple[tempfile.TemporaryDirectory[str] | None, Path | None]:
        if write is None:
            return None, root
        folder = tempfile.TemporaryDirectory()
        write(Path(folder.name))
        return folder, Path(folder.name)

    @functools.cache
    def entries() -> list[RecordingEntry]:
        return list(dataset.entries(files()[1]))

    def readable() -> list[RecordingEntry]:
        return [entry for entry in entries() if not entry.problem][:SAMPLE]

    def card() -> None:
        for name in ("title", "source", "licence"):
            assert getattr(dataset.card, name), f"card: {name} is empty (DatasetCard)"
        assert dataset.rate > 0, f"rate is {dataset.rate}; Hz of the signals that read returns (Dataset.rate)"

    def index() -> None:
        index_entries = entries()
        assert index_entries, "entries: no recording at all (Dataset.entries)"
        repeated = [name for name, count in Counter(entry.record_id for entry in index_entries).items() if count > 1]
        assert not repeated, f"entries: record_id {repeated[0]!r} comes more than once (RecordingEntry)"
        wrong = {entry.split for entry in index_entries} - set(SPLITS)
        assert not wrong, (
            f"entries: split {sorted(map(str, wrong))}, it must be one of {', '.join(SPLITS)} (RecordingEntry)"
        )

    def patients() -> None:
        splits: dict[str, set[str]] = {}
        for entry in entries():
            splits.setdefault(entry.patient_id, set()).add(entry.split)
        shared = [patient for patient, where in splits.items() if len(where) > 1]
        assert not shared, f"entries: patient {shared[0]!r} is in {len(splits[shared[0]])} splits, {len(shared)} are so"

    def labels() -> None:
        label_sets = dataset.all_label_sets()
        both = set(label_sets) & set(dataset.targets)
        assert not both, f"targets: {sorted(both)} is a label set as well (Dataset.targets)"
        for entry in entries():
            for label_set, classes in entry.labels.items():
                assert label_set in label_sets, f"{entry.record_id}: no label set {label_set!r} (label_sets)"
                unknown = set(classes) - set(label_sets[label_set])
                assert not unknown, f"{entry.record_id}: {label_set} has no class {sorted(unknown)} (label_sets)"
            undeclared = set(entry.targets) - set(dataset.targets)
            assert not undeclared, f"{entry.record_id}: no target {sorted(undeclared)} (Dataset.targets)"

    def signals() -> None:
        for entry in readable():
            raw = dataset.read(entry, files()[1])
            _check_signal(entry.record_id, raw.adc, raw.gain, raw.baseline, raw.leads)
            again = dataset.read(entry, files()[1])
            assert np.array_equal(raw.adc, again.adc), f"read: {entry.record_id} differs when read again"
            assert raw.rate == dataset.rate, f"read: {entry.record_id} has {raw.rate} Hz, the dataset {dataset.rate}"

    return {"card": card, "index": index, "patients": patients, "labels": labels, "signals": signals}


def _check_signal(name: str, adc: np.ndarray, gain: np.ndarray, baseline: np.ndarray, leads: Sequence[str]) -> None:
    assert adc.ndim == 2 and len(adc) == len(leads), (
        f"read: {name}: (lead, time) for {len(leads)} leads, not {adc.shape}"
    )
    assert np.issubdtype(adc.dtype, np.integer), f"read: {name}: integers as the file has them, not {adc.dtype}"
    names = {lead.casefold() for lead in LEADS}
    unknown = [lead for lead in leads if lead.casefold() not in names]
    assert not unknown, f"read: {name}: unknown leads {unknown}; they are called {', '.join(LEADS)} (RawSignal)"
    largest = float(np.abs(to_millivolt(adc, np.asarray(gain), np.asarray(baseline))).max())
    assert 0.01 < largest < LARGEST, (
        f"read: {name} reaches {largest:g} mV: the gain is in units per millivolt (RawSignal.gain)"
    )
