"""A prepared dataset: int16 samples in one file, with everything else beside it.

signals.i16      all recordings one after the other, each (12, time) in the order of LEADS, lossless
checksums.npy    (n,) CRC-32 of each recording's samples, held against what is read (see `integrity`)
calibration.npy  (n, 12, 2) gain in units per millivolt, and baseline
records.csv      one row per recording: ids, split, age, sex, report, offset and length in signals.i16
metadata.csv     the recorder and the language of the report of each recording; with a checksum of its own
labels.npz       per label set a (n, class) uint8 matrix
preparation.json what was left out and what was noticed, by file
supplement/      label sets and targets outside of the digest (see `supplement`)
manifest.json    configuration, counts, classes, one digest of signals, calibration, records and labels, and size and
                 checksum of every file and of its own fields; written last
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.api import LEADS, REPORTS, Dataset, SignalSpec, SparseLabelSet, Target
from benchmark.data.labels.demographics import OLDEST
from benchmark.data.reports.report_texts import real_report
from benchmark.data.signals.signal import adapt, shared_gain, to_millivolt
from benchmark.data.store.completeness import lacking, warning
from benchmark.data.store.integrity import VerifiedSignals, read_manifest, read_part, verified
from benchmark.data.store.signal_file import SignalFile
from benchmark.data.store.sparse_labels import SparseLabels, read_file, read_sparse_labels, sparse_digest
from benchmark.data.store.supplement import FOLD, Supplement, left_out
from benchmark.data.store.text_columns import distinct_texts, read_table
from benchmark.errors import DataError, MissingError, UsageError, no_label_set
from benchmark.registry import DATASETS

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1  # raise it when the files above change their meaning
CALIBRATION, RECORDS, METADATA = "calibration.npy", "records.csv", "metadata.csv"
LABELS, REPORT = "labels.npz", "preparation.json"
PARTS = (CALIBRATION, RECORDS, METADATA, LABELS, REPORT)  # beside the signals and their checksums
BLOCK = 16  # recordings brought into form at a time: intermediate results of more leave the caches, at half the speed
METADATA_COLUMNS = ("record_id", "device", "language")
FLAT_KINDS = ("a flat lead", "a lead without any sample, read as 0 mV")  # as the preparation notices them


@dataclass(frozen=True)
class LabelSet:
    """The recordings of a label set: `rows` into the dataset (k,), `matrix` (k, class) uint8.

    Of a sparse label set `matrix` is float32, NaN where it is unknown; `leads` (k, class, 12) says where a class is.
    """

    classes: tuple[str, ...]
    rows: np.ndarray
    matrix: np.ndarray
    leads: np.ndarray | None = None


@dataclass(frozen=True)
class TargetValues:
    """The recordings with a usable number: `rows` into the dataset (k,), `values` (k,) float64 in the target's unit."""

    target: Target
    rows: np.ndarray
    values: np.ndarray


class PreparedDataset:
    """Read access to a prepared dataset; rows are positions in its table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = read_manifest(path, FORMAT)
        self.rate: float = self.manifest["rate"]
        self.leads: tuple[str, ...] = tuple(self.manifest.get("leads", LEADS))  # the others are 0 in the store
        self.digest: str = self.manifest["digest"]
        self.expected: int | None = self.manifest.get("expected")  # recordings of a complete preparation, if known
        self._samples = SignalFile(path)
        self._unusable: dict[tuple[tuple[str, ...], float], np.ndarray] = {}

    def __len__(self) -> int:
        return int(self.manifest["recordings"])

    @property
    def synthetic(self) -> bool:
        return bool(self.manifest["synthetic"])

    @property
    def warnings(self) -> list[str]:
        """Warnings about this data, as sentences. Every record made from it keeps them, and every table shows them."""
        marks = list(self.manifest.get("marks", []))
        if self.expected is not None and lacking(len(self), self.expected):
            marks.append(warning(self.manifest["dataset"], len(self), self.expected))
        return marks

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        text = dict.fromkeys(("record_id", "patient_id", "split", "report", "sex"), object)
        table = read_table(read_part(self.path, RECORDS, self.manifest), text)
        # older preparations kept what these lines take out
        absent = [report for report in distinct_texts(table["report"].to_numpy()) if not real_report(report)]
        table["report"] = table["report"].mask(table["report"].isin(absent), "")
        table["age"] = table["age"].where(table["age"].between(0, OLDEST))
        return table

    @functools.cached_property
    def metadata(self) -> pd.DataFrame:
        """Table of recordings: ``device`` (the recorder) and ``language`` (of the report), "" where not known."""
        path = self.path / METADATA
        if not path.is_file():
            remedy = f"remove {self.path} and run 'ecgarena data prepare' again"
            raise DataError(f"{path} is missing: prepared before recorders and languages were kept; {remedy}")
        return read_table(read_part(self.path, METADATA, self.manifest), dict.fromkeys(METADATA_COLUMNS, object))

    @functools.cached_property
    def devices(self) -> np.ndarray:
        return self.metadata["device"].to_numpy(dtype=object)

    @functools.cached_property
    def languages(self) -> np.ndarray:
        return self.metadata["language"].to_numpy(dtype=object)

    @functools.cached_property
    def record_ids(self) -> np.ndarray:
        return self.table["record_id"].to_numpy(dtype=object)

    @functools.cached_property
    def patient_ids(self) -> np.ndarray:
        return self.table["patient_id"].to_numpy(dtype=object)

    @functools.cached_property
    def splits(self) -> np.ndarray:
        return self.table["split"].to_numpy(dtype=object)

    @functools.cached_property
    def reports(self) -> np.ndarray:
        return self.table["report"].to_numpy(dtype=object)

    @functools.cached_property
    def _sizes(self) -> dict[str, int]:
        return {}

    def label_set(self, name: str) -> LabelSet:
        """Return the recordings with at least one positive class, as the field counts them.

        "reports" are all those with a report, and for classes those of every label set (``super/NORM``).
        """
        classes: Mapping[str, list[str]] = self.manifest["label_sets"]
        if name in self.sparse_label_sets:
            sparse = self.sparse_labels(name)
            return LabelSet(self.sparse_label_sets[name].classes, sparse.rows, sparse.matrix, sparse.leads)
        if name == REPORTS:
            return self._with_report(classes)
        if name in classes:
            order, matrix = tuple(classes[name]), self._read_labels()[name]
        else:
            self.refuse_absent(name)
            order, matrix = self.supplement.label_sets[name], self.supplement.values(name)
        rows = np.flatnonzero(matrix.any(axis=1))
        return LabelSet(order, rows, matrix[rows])

    @functools.cached_property
    def supplement(self) -> Supplement:
        """Label sets and targets beside the store, with digests of their own."""
        return Supplement(self.path, self.digest)

    @functools.cached_property
    def sparse_label_sets(self) -> Mapping[str, SparseLabelSet]:
        """The sparse label sets that the loader declares, whether their files are at hand or not."""
        dataset = self.manifest["dataset"]
        return DATASETS.get(dataset).sparse_label_sets if dataset in DATASETS.names() else {}

    def sparse_labels(self, name: str) -> SparseLabels:
        """Return the labels of a sparse label set; raise `MissingError` or `DataError` where its file is not right."""
        return read_sparse_labels(DATASETS.get(self.manifest["dataset"]), name, self.record_ids)

    @functools.cached_property
    def folds(self) -> np.ndarray:
        """The fold of each recording, (n,), from 1; raise `MissingError` where the store has none beside it."""
        if not self.supplement.manifest.get("folds"):
            dataset = self.manifest["dataset"]
            raise MissingError(
                f"{self.path} has no folds beside it; 'ecgarena data prepare {dataset}' adds them from the original "
                "tables where the dataset has any (set ECGARENA_DATA to their folder, or pass --root)"
            )
        return self.supplement.values(FOLD)

    @property
    def places(self) -> tuple[str, ...]:
        """Return the names of all label sets and targets in the store and its supplement."""
        return (*self.manifest["label_sets"], *self.supplement.label_sets, *self.supplement.targets)

    def is_target(self, name: str) -> bool:
        return name in self.supplement.targets

    def target(self, name: str) -> TargetValues:
        """Return the recordings with a usable number; raise as `label_set` does."""
        self.refuse_absent(name)
        values = self.supplement.values(name)
        rows = np.flatnonzero(np.isfinite(values))
        return TargetValues(self.supplement.targets[name], rows, values[rows])

    def rows_of(self, name: str) -> np.ndarray:
        """Return the rows of the recordings that belong to a label set, or have a usable number of a target."""
        return self.target(name).rows if self.is_target(name) else self.label_set(name).rows

    def refuse_absent(self, name: str) -> None:
        """Raise `UsageError` for a name that the dataset lacks, `MissingError` for one that the store lacks.

        For a sparse label set the right file must be there.
        """
        if name in self.places or name == REPORTS:
            return
        if name in self.sparse_label_sets:
            read_file(name, self.sparse_label_sets[name])
            return
        dataset = self.manifest["dataset"]
        if dataset not in DATASETS.names():
            raise UsageError(no_label_set(dataset, name, self.places))
        loader: type[Dataset] = DATASETS.get(dataset)
        if name not in loader.places():
            raise UsageError(no_label_set(dataset, name, loader.all_label_sets(), loader.targets))
        raise MissingError(
            f"{self.path} was prepared before {dataset} had {name!r}; 'ecgarena data prepare {dataset}' adds it from "
            "the original tables (set ECGARENA_DATA to their folder, or pass --root) and leaves the rest as it is"
        )

    def values_digest(self, name: str) -> str | None:
        """Return the digest of a label set or target beside the store; None where the store's own covers it."""
        if name in self.sparse_label_sets:
            return sparse_digest(self.sparse_label_sets[name], self.supplement.digest(FOLD))
        return self.supplement.digest(name)

    def unlabelled(self, name: str) -> str:
        """Say how many recordings do not belong to a label set, for want of a positive class or of a report; or "".

        Of a target it says how many have no usable number, and why; of a sparse label set how many labels are known.
        """
        if self.is_target(name):
            return self._not_usable(name)
        if name in self.sparse_label_sets:
            return self.sparse_labels(name).note(self.sparse_label_sets[name])
        if name not in self._sizes:  # counted once: every cell asks, and labels are read anew each time
            self._sizes[name] = len(self.label_set(name).rows)
        without, all_of_it = len(self) - self._sizes[name], f"of {len(self):,} recordings"
        if not without:
            return ""
        lacked = "report and are left out" if name == REPORTS else f"label in {name} and are left out of it"
        return f"{without:,} {all_of_it} have no {lacked}"

    def _not_usable(self, name: str) -> str:
        counts = self.supplement.counts(name)
        if not counts:
            return ""
        reasons = left_out(counts, self.supplement.targets[name])
        return f"{sum(counts.values()):,} of {len(self):,} recordings have no usable {name} and are left out: {reasons}"

    def _with_report(self, classes: Mapping[str, list[str]]) -> LabelSet:
        rows = np.flatnonzero([bool(report.strip()) for report in self.reports])
        labels = self._read_labels()
        every = [labels[name][rows] for name in classes]
        matrix = np.concatenate(every, axis=1) if every else np.zeros((len(rows), 0), np.uint8)
        return LabelSet(tuple(f"{name}/{label}" for name in classes for label in classes[name]), rows, matrix)

    def _read_labels(self) -> dict[str, np.ndarray]:
        """Read every label matrix, ``(n, class)`` uint8. They are not cached, since they may be large."""
        with np.load(io.BytesIO(read_part(self.path, LABELS, self.manifest))) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def millivolt(self, rows: np.ndarray) -> np.ndarray:
        """Read recordings of one length as they were recorded: ``(len(rows), 12, time)`` float32 mV.

        Samples that the file marks as missing are read as 0 mV.
        """
        return self.digital_and_millivolt(rows)[1]

    def digital_and_millivolt(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `millivolt`, with the int16 samples that it is made of before it."""
        rows = np.asarray(rows)
        adc = self._digital(rows)
        self.signals.verify(rows, adc, self.record_ids)
        return adc, self._calibrate(adc, rows)

    def digital(self, size: int = 512) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows and samples of all recordings, in groups of equal length, without verifying them."""
        for rows in self.chunks(size):
            yield rows, self._digital(rows)

    def _digital(self, rows: np.ndarray) -> np.ndarray:
        lengths = self._lengths[rows]
        if rows.size == 0 or np.any(lengths != lengths[0]):
            raise ValueError("millivolt() reads one or more recordings of equal length; use read() for a mixture")
        samples = self._samples.read(self._offsets[rows], len(LEADS) * int(lengths[0]))
        return samples.reshape(len(rows), len(LEADS), -1)

    def announce(self, rows: np.ndarray) -> None:
        """Tell the system that recordings will be read soon, in ascending order; it reads them while others work."""
        self._samples.announce(self._offsets[rows], len(LEADS) * self._lengths[rows])

    @functools.cached_property
    def signals(self) -> VerifiedSignals:
        """Checksums of the recordings, and which of them were verified by this process."""
        return VerifiedSignals(self.path, self.manifest)

    @functools.cached_property
    def _calibration(self) -> np.ndarray:
        """``(n, 12, 2)``: gain and baseline."""
        return np.load(verified(self.path, CALIBRATION, self.manifest), mmap_mode="r")

    def read(self, rows: np.ndarray, spec: SignalSpec) -> np.ndarray:
        """Read recordings in the form of `spec`: float32 ``(len(rows), len(spec.leads), spec.samples)``.

        Those that cannot serve (see `unusable`) are silence, all 0: every method answers for the same recordings.
        Raises `UsageError` where `spec` asks for leads that no recording has.
        """
        self._refuse_absent_leads(spec)
        rows = np.asarray(rows)
        lengths = self._lengths[rows]
        silent = np.isin(rows, self.unusable(spec))
        out = np.zeros((len(rows), len(spec.leads), spec.samples), np.float32)
        for length in np.unique(lengths):
            group = np.flatnonzero((lengths == length) & ~silent)
            for start in range(0, len(group), BLOCK):
                block = group[start : start + BLOCK]
                out[block] = adapt(self.millivolt(rows[block]), self.rate, spec)
        return out

    def leads_read(self, spec: SignalSpec) -> tuple[str, ...]:
        """Return the leads that a reading for `spec` takes from the store."""
        return spec.leads

    def _refuse_absent_leads(self, spec: SignalSpec) -> None:
        if self.leads == LEADS or set(self.leads) >= set(self.leads_read(spec)):
            return
        absent = [lead for lead in self.leads_read(spec) if lead not in self.leads]
        names = ", ".join(f'"{lead}"' for lead in self.leads)
        raise UsageError(
            f"the method asks for the leads {', '.join(absent)}, and {self.manifest['dataset']} has only "
            f"{', '.join(self.leads)}: ask for these in its SignalSpec, or read every other lead as 0 mV by "
            f"signal = {{ leads = [{names}] }} in the suite's task"
        )

    def chunks(self, size: int) -> Iterator[np.ndarray]:
        """Yield all rows in groups of equal length and at most `size`, which `millivolt` can read at once."""
        for length in np.unique(self._lengths):
            rows = np.flatnonzero(self._lengths == length)
            for start in range(0, len(rows), size):
                yield rows[start : start + size]

    def unusable(self, spec: SignalSpec) -> np.ndarray:
        """Rows, ascending, that cannot serve `spec`: shorter than its `min_seconds`, or flat in all of its leads."""
        key = (spec.leads, spec.min_seconds)
        if key not in self._unusable:
            short = np.flatnonzero(self._lengths < spec.min_seconds * self.rate)
            flat = [] if set(spec.leads) >= set(LEADS) else self._flat_in(set(spec.leads))
            self._unusable[key] = np.union1d(short, np.array(flat, np.int64))
        return self._unusable[key]

    def _flat_in(self, leads: set[str]) -> list[int]:
        """Return the rows that are flat in all of `leads`; the preparation left out those flat in all twelve."""
        notices = json.loads(read_part(self.path, REPORT, self.manifest))["noticed"]
        flat: dict[str, set[str]] = {}
        for notice in notices:
            if notice["kind"] in FLAT_KINDS:
                flat.setdefault(notice["record_id"], set()).update(notice["detail"].split(", "))
        names = {record_id for record_id, notice in flat.items() if leads <= notice}
        return [row for row, record_id in enumerate(self.record_ids) if record_id in names] if names else []

    def _calibrate(self, adc: np.ndarray, rows: np.ndarray) -> np.ndarray:
        missing = self.manifest["missing_samples"] > 0
        if self._single_gain is not None:
            return to_millivolt(adc, self._single_gain, missing=missing)
        gain, baseline = np.moveaxis(self._calibration[rows], -1, 0)
        return to_millivolt(adc, gain, baseline, missing)

    @functools.cached_property
    def _single_gain(self) -> float | None:
        """Gain that all leads of all recordings share with baseline 0, or None."""
        return shared_gain(self._calibration[..., 0], self._calibration[..., 1])

    @functools.cached_property
    def _offsets(self) -> np.ndarray:
        return self.table["offset"].to_numpy()

    @functools.cached_property
    def _lengths(self) -> np.ndarray:
        return self.table["samples"].to_numpy()
