"""Writer of prepared datasets, chunk by chunk: a killed run loses at most one chunk, and memory holds only one.

Every file is only appended to. After each chunk a journal records the length of each file; a resumed run truncates
the files to these lengths. At the very end the folder becomes the store by a single rename.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.api import LEADS, Dataset, RecordingEntry
from benchmark.atomic import write_text
from benchmark.data.labels.demographics import known_age
from benchmark.data.reports.report_texts import stored_report
from benchmark.data.store import integrity, prepared
from benchmark.data.store import preparation_log as findings
from benchmark.data.store.completeness import expected_recordings
from benchmark.data.store.quality_checks import Screened
from benchmark.data.store.recording_index import Index

JOURNAL, LEFT_OUT, REMARKS = "journal.json", "left_out.jsonl", "noticed.jsonl"
CALIBRATION, CHECKSUMS = "calibration.f8", "checksums.u4"  # the raw numbers, without the head of an .npy file
RECORD_COLUMNS = ("record_id", "patient_id", "split", "age", "sex", "report", "offset", "samples")


class StoreWriter:
    """Appends screened chunks to the files under `folder`; a later run resumes only if `made_from` is equal."""

    def __init__(self, folder: Path, dataset: Dataset, index: Index, made_from: Mapping[str, Any]) -> None:
        self.folder, self.dataset, self.index = folder, dataset, index
        self.made_from = {**made_from, "index": index.digest, "chunk": index.chunk}
        labels = [f"labels-{number}.u8" for number in range(len(dataset.label_sets))]
        self.parts = [integrity.SIGNALS, CHECKSUMS, CALIBRATION, prepared.RECORDS, prepared.METADATA]
        self.parts += [LEFT_OUT, REMARKS, *labels]
        self.state = self._journal() or self._begin()

    @property
    def chunks(self) -> int:
        """Number of chunks already written."""
        return int(self.state["chunks"])

    @property
    def recordings(self) -> int:
        return int(self.state["recordings"])

    @property
    def bytes_written(self) -> int:
        """Bytes of signal already written."""
        return int(self.state["sizes"][integrity.SIGNALS])

    def append(self, chunk: list[RecordingEntry], screened_chunk: Screened) -> None:
        entries = [chunk[position] for position in screened_chunk.positions]
        content = [
            b"".join(screened_chunk.signals),
            b"".join(screened_chunk.checksums),
            b"".join(screened_chunk.calibration),
            self._record_lines(entries, screened_chunk.samples),
            _lines([(entry.record_id, entry.device or "", entry.language or "") for entry in entries]),
            findings.to_lines(screened_chunk.findings.left_out),
            findings.to_lines(screened_chunk.findings.remarks),
            *self._label_rows(entries),
        ]
        for part, new in zip(self.parts, content, strict=True):
            with (self.folder / part).open("ab") as file:
                file.write(new)
            self.state["sizes"][part] += len(new)
        splits = Counter(self.state["splits"]) + Counter(entry.split for entry in entries)
        self.state |= {
            "chunks": self.chunks + 1,
            "recordings": self.recordings + len(entries),
            "left_out": self.state["left_out"] + len(screened_chunk.findings.left_out),
            "excluded": self.state["excluded"] + sum(entry.excluded and bool(entry.problem) for entry in chunk),
            "missing": self.state["missing"] + screened_chunk.missing,
            "splits": dict(splits),
        }
        write_text(self.folder / JOURNAL, json.dumps(self.state))

    def finish(self) -> None:
        """Convert the parts to the store's format and write the manifest."""
        n, folder = self.recordings, self.folder
        _save_npy(folder / integrity.CHECKSUMS, folder / CHECKSUMS, "<u4", (n,))
        _save_npy(folder / prepared.CALIBRATION, folder / CALIBRATION, "<f8", (n, len(LEADS), 2))
        matrices = {
            name: _map(folder / f"labels-{number}.u8", "u1", (n, len(classes)))
            for number, (name, classes) in enumerate(self.dataset.label_sets.items())
        }
        _save_npz(folder / prepared.LABELS, matrices)
        findings.write_json(folder / prepared.REPORT, folder / LEFT_OUT, folder / REMARKS)
        manifest = integrity.seal(self._manifest(matrices))
        write_text(folder / integrity.MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))
        del matrices
        for part in (JOURNAL, *set(self.parts) - {integrity.SIGNALS, prepared.RECORDS, prepared.METADATA}):
            (folder / part).unlink()
        self.index.path.unlink()

    def _journal(self) -> dict[str, Any] | None:
        """Return the state of a killed run with the same files and options, its files truncated to it; else None."""
        try:
            state: dict[str, Any] = json.loads((self.folder / JOURNAL).read_text("utf-8"))
            if state["made_from"] != self.made_from or state["sizes"].keys() != set(self.parts):
                return None
            if any((self.folder / part).stat().st_size < size for part, size in state["sizes"].items()):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        for part, size in state["sizes"].items():
            os.truncate(self.folder / part, size)
        return state

    def _begin(self) -> dict[str, Any]:
        heads = {prepared.RECORDS: _lines([RECORD_COLUMNS]), prepared.METADATA: _lines([prepared.METADATA_COLUMNS])}
        for part in self.parts:
            (self.folder / part).write_bytes(heads.get(part, b""))
        sizes = {part: len(heads.get(part, b"")) for part in self.parts}
        counts: dict[str, Any] = {
            "chunks": 0,
            "recordings": 0,
            "left_out": 0,
            "excluded": 0,
            "missing": 0,
            "splits": {},
        }
        return {"made_from": self.made_from, "sizes": sizes, **counts}

    def _record_lines(self, entries: list[RecordingEntry], samples: list[int]) -> bytes:
        start = self.bytes_written // 2
        starts = start + np.concatenate([[0], np.cumsum(np.array(samples[:-1], np.int64) * len(LEADS))])
        return _lines(
            [
                (
                    *(entry.record_id, entry.patient_id, entry.split),
                    *("" if (age := known_age(entry.age)) is None else float(age), entry.sex or ""),
                    *(stored_report(entry.report), int(offset), length),
                )
                for entry, offset, length in zip(entries, starts, samples, strict=False)
            ]
        )

    def _label_rows(self, entries: list[RecordingEntry]) -> Iterator[bytes]:
        for name, classes in self.dataset.label_sets.items():
            position = {label: index for index, label in enumerate(classes)}
            matrix = np.zeros((len(entries), len(classes)), np.uint8)
            for row, entry in enumerate(entries):
                matrix[row, [position[label] for label in entry.labels.get(name, ())]] = 1
            yield matrix.tobytes()

    def _manifest(self, matrices: Mapping[str, np.ndarray]) -> dict[str, Any]:
        labels = hashlib.sha256()
        for name in sorted(matrices):  # of the matrices, not of the file: a zip archive contains its time of writing
            labels.update(name.encode() + matrices[name].tobytes())
        parts = integrity.measure_parts(self.folder, (integrity.SIGNALS, integrity.CHECKSUMS, *prepared.PARTS))
        files = (integrity.SIGNALS, prepared.CALIBRATION, prepared.RECORDS)
        digests = [parts[name]["sha256"] for name in files]
        return {
            "format": prepared.FORMAT,
            **{name: self.made_from[name] for name in ("dataset", "version", "config")},
            "rate": self.dataset.rate,
            **({} if self.dataset.leads == LEADS else {"leads": list(self.dataset.leads)}),
            "synthetic": self.dataset.card.synthetic,
            "marks": list(self.dataset.warnings),
            "recordings": self.recordings,
            "left_out": self.state["left_out"],
            "excluded": self.state["excluded"],
            "expected": expected_recordings(self.dataset, self.state["excluded"]),
            "missing_samples": self.state["missing"],
            "splits": self.state["splits"],
            "split_digest": _split_digest(self.folder / prepared.RECORDS),
            "label_sets": {label_set: list(classes) for label_set, classes in self.dataset.label_sets.items()},
            "signal_bytes": self.bytes_written,
            "metadata_sha256": parts[prepared.METADATA]["sha256"],
            "digest": hashlib.sha256("".join([*digests, labels.hexdigest()]).encode()).hexdigest()[:16],
            integrity.PARTS: parts,
        }


def _lines(rows: list[tuple[Any, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _save_npy(path: Path, raw: Path, dtype: str, shape: tuple[int, ...]) -> None:
    """Write raw numbers as an .npy file like `np.save`, without a copy of them in memory."""
    with path.open("wb") as file, raw.open("rb") as values:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        shutil.copyfileobj(values, file)


def _save_npz(path: Path, matrices: Mapping[str, np.ndarray]) -> None:
    """Write matrices like `np.savez`, but without the time of writing: equal matrices make equal files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, matrix in matrices.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, matrix, allow_pickle=False)


def _map(path: Path, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Map a raw file into memory as an array."""
    return np.memmap(path, dtype, "r", shape=shape) if np.prod(shape) else np.zeros(shape, dtype)


def _split_digest(records: Path) -> str:
    """Compute a digest of each recording's id and split, in the order of the store."""
    total = hashlib.sha256()
    with records.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            total.update(f"{row['record_id']},{row['split']}\n".encode())
    return total.hexdigest()[:16]
