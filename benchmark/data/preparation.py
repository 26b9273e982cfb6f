"""Prepare a dataset once: original files in, a `PreparedDataset` out, broken recordings counted and named."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock

from benchmark.api import LEADS, SPLITS, Dataset, RawSignal, RecordEntry
from benchmark.canonical import digest, file_sha256
from benchmark.configuration import distinct
from benchmark.data import prepared as store
from benchmark.data.prepared import PreparedDataset
from benchmark.data.signal import einthoven_residual, lead_positions
from benchmark.data.wfdb_reader import MISSING_SAMPLE
from benchmark.errors import DataError, MissingError, RecordingError, raise_all
from benchmark.paths import Home, dataset_root
from benchmark.registry import DATASETS

Progress = Callable[[int, int], None]  # recordings done, recordings in all

EINTHOVEN_TOLERANCE = 0.05  # mV; rounding of three leads stays far below, a swapped lead far above


@dataclass
class Findings:
    """What a preparation has to say, by recording."""

    left_out: list[dict[str, str]] = field(default_factory=list)
    noticed: list[dict[str, str]] = field(default_factory=list)

    def summary(self) -> list[str]:
        """A line per kind of finding, then the first recordings left out by name."""
        kinds = Counter(found["kind"] for found in self.noticed)
        lines = [f"{count} recordings: {kind}" for kind, count in sorted(kinds.items())]
        if self.left_out:
            lines.append(f"{len(self.left_out)} recordings were left out:")
            lines += [f"  {found['record_id']}: {found['problem']}" for found in self.left_out[:10]]
            if len(self.left_out) > 10:
                lines.append(f"  ... and {len(self.left_out) - 10} more, all in {store.REPORT}")
        return lines


def open_dataset(name: str, config: dict[str, Any], home: Home) -> PreparedDataset:
    """Open a prepared dataset; `MissingError` with the command that prepares it when there is none."""
    cls = DATASETS.get(name)
    path = prepared_path(name, distinct(cls, config, f"dataset {name}"), home)
    if not (path / store.MANIFEST).is_file():
        raise MissingError(f"{name} is not prepared at {path}; run 'ecgbench data prepare {name} --root FOLDER'")
    dataset = PreparedDataset(path)
    if dataset.manifest["version"] != cls.card.version:
        raise DataError(f"{path} was prepared from version {dataset.manifest['version']} of {name}; remove it")
    return dataset


def prepare(
    name: str, config: dict[str, Any], home: Home, root: Path | None = None, progress: Progress | None = None
) -> PreparedDataset:
    """Return the prepared dataset, preparing it first if need be; safe to call from several processes."""
    cls = DATASETS.get(name)
    config = distinct(cls, config, f"dataset {name}")
    target = prepared_path(name, config, home)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if (target / store.MANIFEST).is_file():
            return open_dataset(name, config, home)
        dataset = cls(**config)
        root = _require_root(name, dataset, root)
        entries = _checked(name, dataset.entries(root))
        partial = target.with_name(f"{target.name}.partial")  # left by a kill, if it is there: we hold the lock
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        _require_space(partial, dataset, entries)
        _write(partial, name, config, dataset, entries, root, progress)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    return PreparedDataset(target)


def prepared_path(name: str, config: dict[str, Any], home: Home) -> Path:
    """``HOME/data/ptbxl-rate500``: the options that differ from their defaults, or a digest of many of them."""
    readable = "-".join(f"{key}{value}" for key, value in sorted(config.items()))
    plain = len(readable) <= 80 and all(letter.isalnum() or letter in "-._" for letter in readable)
    return home.data / f"{name}-{readable if plain else digest(config)}".rstrip("-")


def _require_root(name: str, dataset: Dataset, given: Path | None) -> Path | None:
    if not dataset.needs_root:
        return None
    root = dataset_root(name, given)
    if root is None:
        remedy = f"set ECGBENCH_DATA to the folder that holds {name}/, or pass --root; {dataset.remedy}"
        raise MissingError(f"the original files of {name} are not known: {remedy}")
    if not root.is_dir():
        raise MissingError(f"{root} is no folder; {dataset.remedy}")
    return root


def _checked(name: str, entries: list[RecordEntry]) -> list[RecordEntry]:
    """The guards that every dataset passes: unique ids, known splits, no patient in two splits."""
    problems = []
    if not entries:
        problems.append("it has no recordings")
    doubled = [record_id for record_id, count in Counter(entry.record_id for entry in entries).items() if count > 1]
    if doubled:
        problems.append(f"{len(doubled)} record ids occur twice, {doubled[0]!r} first")
    strange = sorted({entry.split for entry in entries} - set(SPLITS))
    if strange:
        problems.append(f"splits are train, val and test; it has {', '.join(strange)}")
    splits_of: dict[str, set[str]] = {}
    for entry in entries:
        splits_of.setdefault(entry.patient_id, set()).add(entry.split)
    leaked = [patient for patient, splits in splits_of.items() if len(splits) > 1]
    if leaked:
        problems.append(f"{len(leaked)} patients are in more than one split, patient {leaked[0]!r} first")
    raise_all(problems, f"the index of {name} cannot be used:", DataError)
    return entries


def _require_space(folder: Path, dataset: Dataset, entries: list[RecordEntry]) -> None:
    needed = int(len(entries) * len(LEADS) * dataset.rate * 10 * 2 * 1.1)  # 10 s of int16 and a tenth to spare
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise MissingError(f"{folder.parent} has {free / 1e9:.1f} GB free, the preparation needs {needed / 1e9:.1f} GB")


def _write(
    folder: Path,
    name: str,
    config: dict[str, Any],
    dataset: Dataset,
    entries: list[RecordEntry],
    root: Path | None,
    progress: Progress | None,
) -> None:
    findings = Findings()
    kept: list[RecordEntry] = []
    lengths: list[int] = []
    calibration: list[np.ndarray] = []
    missing = 0
    with (folder / store.SIGNALS).open("wb") as file:
        for done, entry in enumerate(entries):
            if progress and done % 200 == 0:
                progress(done, len(entries))
            try:
                raw = _sound(dataset.read(entry, root), dataset, entry)
            except RecordingError as error:
                findings.left_out.append({"record_id": entry.record_id, "problem": str(error)})
                continue
            missing += _notice(entry, raw, findings)
            file.write(raw.adc.astype("<i2", copy=False).tobytes())
            kept.append(entry)
            lengths.append(raw.adc.shape[1])
            calibration.append(np.stack([raw.gain, raw.baseline], axis=-1))
    if not kept:
        raise DataError(
            f"none of the {len(entries)} recordings of {name} can be read: {findings.left_out[0]['problem']}"
        )
    if progress:
        progress(len(entries), len(entries))
    np.save(folder / store.CALIBRATION, np.stack(calibration).astype(np.float64))
    _write_table(folder / store.RECORDS, kept, lengths)
    _write_labels(folder / store.LABELS, kept, dataset)
    _write_manifest(folder, name, config, dataset, kept, missing, findings)


def _sound(raw: RawSignal, dataset: Dataset, entry: RecordEntry) -> RawSignal:
    """Put the leads into the order of LEADS; refuse what no method could use."""
    file = entry.source or entry.record_id
    try:
        order = lead_positions(raw.leads)
    except ValueError as error:
        raise RecordingError(file, str(error), "this recording cannot serve") from None
    if raw.rate != dataset.rate:
        raise RecordingError(file, f"recorded at {raw.rate:g} Hz, {dataset.rate:g} Hz expected", "check the header")
    adc = raw.adc[order]
    if np.all(adc == adc[:, :1]):
        raise RecordingError(file, "all leads are flat", "this recording cannot serve")
    return RawSignal(adc, raw.gain[order], raw.baseline[order], raw.rate, LEADS)


def _notice(entry: RecordEntry, raw: RawSignal, findings: Findings) -> int:
    """Note flat leads, missing samples and broken lead identities; return the number of missing samples."""
    low, high = raw.adc.min(axis=1), raw.adc.max(axis=1)
    missing = int(np.count_nonzero(raw.adc == MISSING_SAMPLE)) if low.min() == MISSING_SAMPLE else 0
    limb = (raw.adc[:6].astype(np.float32) - raw.baseline[:6, None]) / raw.gain[:6, None].astype(np.float32)
    residual = 0.0 if missing else float(einthoven_residual(limb[None])[0])
    found = {
        "a flat lead": ", ".join(np.array(LEADS)[low == high]),
        "missing samples, read as 0 mV": str(missing or ""),
        f"limb leads break Einthoven's law by over {EINTHOVEN_TOLERANCE} mV": (
            f"{residual:.3f} mV" if residual > EINTHOVEN_TOLERANCE else ""
        ),
    }
    findings.noticed += [
        {"record_id": entry.record_id, "kind": kind, "detail": detail} for kind, detail in found.items() if detail
    ]
    return missing


def _write_table(path: Path, kept: list[RecordEntry], lengths: list[int]) -> None:
    import pandas as pd

    starts = np.concatenate([[0], np.cumsum(np.array(lengths[:-1], np.int64) * len(LEADS))])
    columns = ("record_id", "patient_id", "split", "age", "sex", "report")
    table = pd.DataFrame({column: [getattr(entry, column) for entry in kept] for column in columns})
    table["sex"] = table["sex"].fillna("")
    table["report"] = [" ".join(report.split()) for report in table["report"]]  # one line per recording
    table["offset"], table["samples"] = starts, lengths
    table.to_csv(path, index=False, lineterminator="\n")


def _write_labels(path: Path, kept: list[RecordEntry], dataset: Dataset) -> None:
    matrices: dict[str, Any] = {}
    for name, classes in dataset.label_sets.items():
        position = {label: index for index, label in enumerate(classes)}
        matrix = np.zeros((len(kept), len(classes)), np.uint8)
        for row, entry in enumerate(kept):
            matrix[row, [position[label] for label in entry.labels.get(name, ())]] = 1
        matrices[name] = matrix
    np.savez(path, **matrices)


def _write_manifest(
    folder: Path,
    name: str,
    config: dict[str, Any],
    dataset: Dataset,
    kept: list[RecordEntry],
    missing: int,
    findings: Findings,
) -> None:
    (folder / store.REPORT).write_text(json.dumps(asdict(findings), indent=1, ensure_ascii=False), "utf-8")
    with (folder / store.LABELS).open("rb") as file:
        labels = _digest_labels(file)
    parts = [file_sha256(folder / part) for part in (store.SIGNALS, store.CALIBRATION, store.RECORDS)]
    manifest = {
        "format": store.FORMAT,
        "dataset": name,
        "version": dataset.card.version,
        "config": config,
        "rate": dataset.rate,
        "synthetic": dataset.card.synthetic,
        "recordings": len(kept),
        "left_out": len(findings.left_out),
        "missing_samples": missing,
        "splits": dict(Counter(entry.split for entry in kept)),
        "label_sets": {label_set: list(classes) for label_set, classes in dataset.label_sets.items()},
        "signal_bytes": (folder / store.SIGNALS).stat().st_size,
        "digest": hashlib.sha256("".join([*parts, labels]).encode()).hexdigest()[:16],
    }
    (folder / store.MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), "utf-8")


def _digest_labels(file: BinaryIO) -> str:
    """Digest of the matrices rather than of the file: a zip archive carries the time of its writing."""
    total = hashlib.sha256()
    with np.load(file) as stored:
        for name in sorted(stored.files):
            total.update(name.encode() + stored[name].tobytes())
    return total.hexdigest()
