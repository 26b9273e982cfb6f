"""Comparison of original files with the store and with the checksums of their distribution.

`SHA256SUMS.txt` of PhysioNet lists every file; WFDB headers have a checksum per lead, which reading verifies. Then the
samples, labels and splits that the loader reads must equal those in the store, which is lossless.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from benchmark.api import Dataset, RecordingEntry
from benchmark.data.signals.few_leads import in_store_order
from benchmark.data.store.prepared import PreparedDataset
from benchmark.data.store.supplement import absent_tables, usable
from benchmark.errors import BenchmarkError, RecordingError

SUMS = "SHA256SUMS.txt"
MOST_NAMES = 8
GONE_NOTE = "recordings of the store are not in the original tables"
OTHER = "recordings differ from their original files in signal, split, patient, labels or numbers"
UNREADABLE = "original files are missing, cut short or disagree with the checksums of their headers"
AGAIN = "the original files changed since the preparation, or the store did: prepare again"
PROBLEMS = {GONE_NOTE: AGAIN, OTHER: AGAIN, UNREADABLE: "download them again"}  # with their remedies
FindingFields = tuple[str, str, tuple[str, ...], int, bool]  # the fields of a Finding


def check_originals(data: PreparedDataset, dataset: Dataset, root: Path) -> list[FindingFields]:
    """Compare the files under `root` with the store, and with SHA256SUMS.txt if it exists."""
    findings = check_sums(root)
    try:
        entries = {entry.record_id: entry for entry in dataset.entries(root)}
    except BenchmarkError as error:
        return [*findings, (str(error), dataset.remedy, (), 0, True)]
    names: dict[str, list[str]] = {problem: [] for problem in PROBLEMS}
    absent = absent_tables(dataset, root)
    labels = _stored_labels(data, absent)
    numbers = {name: data.supplement.values(name) for name in data.supplement.targets if name not in absent}
    for row, record_id in enumerate(data.record_ids):
        own = {name: float(values[row]) for name, values in numbers.items()}
        problem = _compare(data, row, entries.get(record_id), dataset, root, labels[row], own)
        if problem:
            names[problem].append(str(record_id))
    faults = [(problem, names[problem], remedy) for problem, remedy in PROBLEMS.items() if names[problem]]
    findings += [
        (f"{name} was not compared: {file} is not in {root}", "", (), 0, False)
        for name, file in absent.items()
        if name in data.places
    ]
    return findings + [(problem, remedy, tuple(some[:MOST_NAMES]), len(some), True) for problem, some, remedy in faults]


def check_sums(root: Path) -> list[FindingFields]:
    """Report files that disagree with SHA256SUMS.txt, and count missing ones, since partial downloads are common."""
    path = root / SUMS
    if not path.is_file():
        return []
    wrong, absent = [], 0
    for line in path.read_text("utf-8", "replace").splitlines():
        digest, _, name = line.strip().partition(" ")
        file = root / name.strip().lstrip("*")
        if not name.strip() or file.resolve() == path.resolve():
            continue
        if not file.is_file():
            absent += 1
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest.lower():
            wrong.append(name.strip())
    findings: list[FindingFields] = []
    if wrong:
        findings.append(
            (f"files disagree with {SUMS}", "download them again", tuple(wrong[:MOST_NAMES]), len(wrong), True)
        )
    if absent:
        findings.append((f"{absent} files of {SUMS} are not there", "fine if you took a part", (), absent, False))
    return findings


def _stored_labels(data: PreparedDataset, absent: Collection[str]) -> list[dict[str, set[str]]]:
    """Return the positive classes of each recording, by label set; those whose table is absent cannot be compared."""
    by_row: list[dict[str, set[str]]] = [{} for _ in range(len(data))]
    for name in (*data.manifest["label_sets"], *data.supplement.label_sets):
        if name in absent:
            continue
        labels = data.label_set(name)
        for row, positives in zip(labels.rows, labels.matrix.astype(bool), strict=True):
            by_row[row][name] = {label for label, positive in zip(labels.classes, positives, strict=True) if positive}
    return by_row


def _compare(
    data: PreparedDataset,
    row: int,
    entry: RecordingEntry | None,
    dataset: Dataset,
    root: Path,
    labels: dict[str, set[str]],
    numbers: dict[str, float],
) -> str | None:
    """Return which of PROBLEMS a recording has, or None."""
    if entry is None:
        return GONE_NOTE
    try:
        raw = dataset.read(entry, root)
    except RecordingError:
        return UNREADABLE
    digital = data.digital_and_millivolt(np.array([row]))[0][0]
    same = (entry.split, entry.patient_id) == (data.splits[row], data.patient_ids[row])
    of_entry = {name: set(classes) for name, classes in entry.labels.items() if classes}
    at_hand = (*data.manifest["label_sets"], *data.supplement.label_sets)
    same = same and {name: classes for name, classes in of_entry.items() if name in at_hand} == labels
    usable_now = {name: usable(entry.targets.get(name), data.supplement.targets[name])[0] for name in numbers}
    same = same and all(np.array_equal(value, numbers[name], equal_nan=True) for name, value in usable_now.items())
    return None if same and np.array_equal(in_store_order(raw, dataset.leads).adc, digital) else OTHER
