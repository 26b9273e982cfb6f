"""Checks of a prepared dataset: its files, tables, counts, patients and signals, and the original files on request.

Each check returns findings: errors (exit code 5) and notes. The signals are hashed and judged in one pass.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.api import LEADS, SPLITS, Dataset
from benchmark.canonical import file_sha256
from benchmark.data.signals.sanity_checks import EINTHOVEN_TOLERANCE, PLAUSIBLE_SPAN, span, watch
from benchmark.data.signals.signal import einthoven_residual
from benchmark.data.store import prepared as store
from benchmark.data.store.completeness import warnings_among
from benchmark.data.store.integrity import SIGNALS, changed_parts
from benchmark.data.store.prepared import PreparedDataset
from benchmark.data.store.source_files import check_originals
from benchmark.errors import DataError

AGAIN = "remove the store and run 'ecgarena data prepare' again"
MOST_NAMES = 8  # recordings named per finding
WATCHED = 1000  # recordings, evenly spaced, on which the sentinels for whole sets run
CHUNK = 512  # recordings at a time
INCOMPLETE = "files are missing (download them again) or the table is of another version"
SPLIT_OPTIONS = {"split", "split_seed", "labels"}  # with these, the sizes on the card do not hold


@dataclass(frozen=True)
class Finding:
    """A problem that a check found, its remedy and the recordings concerned; with `wrong` False a mere note."""

    problem: str
    remedy: str = ""
    names: tuple[str, ...] = ()
    count: int = 0  # of recordings, when more than are named
    wrong: bool = True


@dataclass
class Checked:
    """The findings of every check that was run, by the name of the check."""

    dataset: str
    path: str
    recordings: int
    digest: str
    findings: dict[str, list[Finding]] = field(default_factory=dict)

    @property
    def wrong(self) -> int:
        return sum(finding.wrong for findings in self.findings.values() for finding in findings)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "wrong": self.wrong}


def check(data: PreparedDataset, dataset: Dataset, root: Path | None = None) -> Checked:
    """Run every check; `root` is the folder with the original files, None to leave them unchecked."""
    report = Checked(data.manifest["dataset"], str(data.path), len(data), data.digest)
    checks: dict[str, Callable[[], list[Finding]]] = {
        "files": lambda: check_files(data),
        "tables": lambda: check_tables(data, dataset),
        "patients": lambda: check_patients(data),
        "supplement": lambda: check_supplement(data, dataset),
        "counts": lambda: check_counts(data, dataset),
        "labels": lambda: check_labels(data),
        "signals": lambda: check_signals(data),
    }
    if root is not None:
        checks["originals"] = lambda: [Finding(*fields) for fields in check_originals(data, dataset, root)]
    for name, work in checks.items():
        report.findings[name] = work()
        if name in ("files", "tables") and any(finding.wrong for finding in report.findings[name]):
            break  # the other checks read these files and tables
    return report


def check_files(data: PreparedDataset) -> list[Finding]:
    """Compare every file with its checksum, and recompute the digest of the store from its files."""
    parts = changed_parts(data.path, data.manifest)
    findings = [Finding(f"{name} is not the file that was prepared", AGAIN) for name in parts if name != SIGNALS]
    if SIGNALS in parts:
        rows = [row for rows, adc in data.digital() for row in data.signals.differing(rows, adc)]
        findings += _finding_on(data, rows, f"recordings in {SIGNALS} have other samples than were prepared", AGAIN)
    digest = store_digest(data.path)
    if digest != data.digest:
        problem = f"the files in {data.path} have the digest {digest}, their manifest says {data.digest}"
        findings.append(Finding(problem, AGAIN))
    return findings


def store_digest(folder: Path) -> str:
    """Compute the digest as the preparation does: signals, calibration and table as files, labels as matrices."""
    parts = [file_sha256(folder / part) for part in (SIGNALS, store.CALIBRATION, store.RECORDS)]
    labels = hashlib.sha256()
    with np.load(folder / store.LABELS) as arrays:
        for name in sorted(arrays.files):
            labels.update(name.encode() + arrays[name].tobytes())
    return hashlib.sha256("".join([*parts, labels.hexdigest()]).encode()).hexdigest()[:16]


def check_tables(data: PreparedDataset, dataset: Dataset) -> list[Finding]:
    """Check rows, ids, splits, offsets and calibration for consistency, and the label sets against the loader."""
    table, count = data.table, len(data)
    problems = []
    if len(table) != count:
        return [Finding(f"{store.RECORDS} has {len(table)} rows, the manifest says {count} recordings", AGAIN)]
    if doubled := count - table["record_id"].nunique():
        problems.append(f"{doubled} record ids occur twice")
    if strange := sorted(set(data.splits) - set(SPLITS)):
        problems.append(f"splits are train, val and test; it has {', '.join(map(str, strange))}")
    sizes = table["samples"].to_numpy() * 12
    if np.any(sizes <= 0) or np.any(table["offset"].to_numpy() != np.cumsum(sizes) - sizes):
        problems.append("the places of the recordings in the signal file overlap or leave gaps")
    elif sizes.sum() * 2 != data.manifest["signal_bytes"]:
        problems.append(f"the recordings fill {sizes.sum() * 2} bytes of {data.manifest['signal_bytes']}")
    calibration = np.load(data.path / store.CALIBRATION, mmap_mode="r")
    if calibration.shape != (count, 12, 2) or not np.isfinite(calibration).all() or np.any(calibration[..., 0] == 0):
        problems.append("gains or baselines are missing, infinite or 0")
    with np.load(data.path / store.LABELS) as labels:
        for name, classes in dataset.label_sets.items():
            if name not in labels.files or tuple(data.manifest["label_sets"].get(name, ())) != tuple(classes):
                problems.append(f"the label set {name} is not the one that the loader has now")
            elif labels[name].shape != (count, len(classes)) or labels[name].max(initial=0) > 1:
                problems.append(f"the label matrix of {name} is not {count} x {len(classes)} of 0 and 1")
    return [Finding(problem, AGAIN) for problem in problems]


def check_supplement(data: PreparedDataset, dataset: Dataset) -> list[Finding]:
    """Read what lies beside the store, and compare it with what the loader declares."""
    supplement, count = data.supplement, len(data)
    names = (*dataset.further_label_sets, *dataset.targets)
    findings = []
    if not supplement.fits(type(dataset)):
        absent = ", ".join(name for name in names if name not in supplement.names)
        problem = f"the store lacks {absent}" if absent else f"{supplement.folder} is of an older loader"
        findings.append(Finding(f"{problem}; 'ecgarena data prepare' adds it from the original tables", wrong=False))
    for name in supplement.names:
        try:
            values = supplement.values(name)
        except DataError as error:
            findings.append(Finding(str(error), f"remove {supplement.folder} and prepare again"))
            continue
        numbers = values[np.isfinite(values)]
        if len(values) != count:
            findings.append(Finding(f"{name} has {len(values)} rows, the store {count} recordings", AGAIN))
        elif name in supplement.targets and (not numbers.size or numbers.min() == numbers.max()):
            problem = (
                f"{name} has no usable value" if not numbers.size else f"{name} is {numbers[0]:g} in all recordings"
            )
            findings.append(Finding(f"{problem}: there is nothing to predict", wrong=False))
    return findings


def check_patients(data: PreparedDataset) -> list[Finding]:
    """Check that no patient is in two splits."""
    shared = data.table.groupby("patient_id")["split"].nunique()
    names = tuple(str(name) for name in shared.index[shared > 1])
    remedy = "a test recording of a patient who was trained on is no test; mend the loader's split"
    return [Finding("patients are in more than one split", remedy, names[:MOST_NAMES], len(names))] if names else []


def check_counts(data: PreparedDataset, dataset: Dataset) -> list[Finding]:
    """Compare the sizes of splits and label sets with those of the complete dataset, as far as its card has them."""
    findings: list[Finding] = []
    left_out, options = data.manifest["left_out"], SPLIT_OPTIONS & set(data.manifest["config"])
    complete = None if options else dataset.card.recordings
    if left_out:
        findings.append(Finding(f"{left_out} recordings were left out; {store.REPORT} names them", wrong=False))
    if complete is not None and len(data) + left_out != complete:
        findings.append(Finding(f"{len(data) + left_out} recordings are indexed, {complete} expected", INCOMPLETE))
    findings += [Finding(warning, INCOMPLETE) for warning in warnings_among(data.warnings)]
    sizes = {} if options else dataset.card.sizes
    for name, expected in sizes.items():
        if name not in data.places:
            continue  # `check_supplement` says so
        counts = Counter(data.splits[data.rows_of(name)])
        for split, size in zip(SPLITS, expected, strict=True):
            if counts[split] != size:
                findings.append(Finding(f"{name}: {split} has {counts[split]} recordings, {size} expected", INCOMPLETE))
    return findings


def check_labels(data: PreparedDataset) -> list[Finding]:
    """Report classes without a positive in train, val or test, and recordings outside a label set."""
    findings = []
    for name in (*data.manifest["label_sets"], *data.supplement.label_sets):
        labels = data.label_set(name)
        if note := data.unlabelled(name):
            findings.append(Finding(note, wrong=False))
        for split in SPLITS:
            positives = labels.matrix[data.splits[labels.rows] == split].sum(axis=0)
            empty = [label for label, count in zip(labels.classes, positives, strict=True) if not count]
            if empty:
                problem = f"{name}: no positive in {split}: {', '.join(empty)}"
                findings.append(Finding(problem, wrong=len(empty) == len(labels.classes), remedy="the split is empty"))
    return findings


def check_signals(data: PreparedDataset) -> list[Finding]:
    """Look for duplicates, odd amplitudes and broken limb leads, then run the sentinels for whole sets."""
    digests = np.empty(len(data), object)
    odd_unit, broken = [], []
    for rows, adc, ecg in _signals(data):
        digests[rows] = [hashlib.blake2b(recording.tobytes(), digest_size=16).digest() for recording in adc]
        spans = span(ecg[:, [LEADS.index(lead) for lead in data.leads]])
        odd_unit += list(rows[(spans < PLAUSIBLE_SPAN[0]) | (spans > PLAUSIBLE_SPAN[1])])
        if set(LEADS[:6]) <= set(data.leads):
            broken += list(rows[einthoven_residual(ecg) > EINTHOVEN_TOLERANCE])
    findings = _duplicates(data, digests)
    low, high = PLAUSIBLE_SPAN
    remedy = "volt or microvolt were taken for millivolt, or an electrode was loose: look at these recordings"
    findings += _finding_on(data, odd_unit, f"recordings span less than {low:g} or more than {high:g} mV", remedy)
    findings += _finding_on(
        data, broken, f"limb leads break Einthoven's law by over {EINTHOVEN_TOLERANCE} mV", "", wrong=False
    )
    return findings + [Finding(f"{alarm.sentinel}: {alarm.problem}", alarm.remedy) for alarm in _watch(data)]


def _signals(data: PreparedDataset) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (rows, int16, millivolt) chunk by chunk."""
    for rows in data.chunks(CHUNK):
        yield rows, *data.digital_and_millivolt(rows)


def _watch(data: PreparedDataset) -> list[Any]:
    """Run the sentinels for whole sets on evenly spaced recordings of the commonest length."""
    lengths = data.table["samples"].to_numpy()
    common = np.flatnonzero(lengths == Counter(lengths.tolist()).most_common(1)[0][0])
    rows = common[np.unique(np.linspace(0, len(common) - 1, min(WATCHED, len(common))).astype(int))]
    alarms = watch(data.millivolt(rows), data.rate, data.leads)
    return [alarm for alarm in alarms if alarm.sentinel != "unit"]  # already checked recording by recording


def _duplicates(data: PreparedDataset, digests: np.ndarray) -> list[Finding]:
    """Find equal signals: across splits they are a leak, within one split they only count double."""
    groups: dict[bytes, list[int]] = {}
    for row, digest in enumerate(digests):
        groups.setdefault(digest, []).append(row)
    findings = []
    doubled = [rows for rows in groups.values() if len(rows) > 1]
    across = [rows for rows in doubled if len({data.splits[row] for row in rows}) > 1]
    within = [rows for rows in doubled if len({data.splits[row] for row in rows}) == 1]
    for kind, sets, wrong in (("different splits", across, True), ("one split", within, False)):
        names = tuple(" = ".join(str(data.record_ids[row]) for row in rows) for rows in sets)
        if names:
            remedy = "keep one of each in one split: the others are training data in the test" if wrong else ""
            findings.append(Finding(f"equal signals in {kind}", remedy, names[:MOST_NAMES], len(names), wrong))
    return findings


def _finding_on(data: PreparedDataset, rows: list[Any], problem: str, remedy: str, wrong: bool = True) -> list[Finding]:
    names = tuple(str(data.record_ids[row]) for row in rows[:MOST_NAMES])
    return [Finding(problem, remedy, names, len(rows), wrong)] if rows else []
