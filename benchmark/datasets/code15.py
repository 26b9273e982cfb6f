"""CODE-15 %: 345,779 recordings of 7 or 10 s at 400 Hz from 233,770 patients in Brazil, with six abnormalities.

Ribeiro et al., "CODE-15%: a large scale annotated dataset of 12-lead ECGs", Zenodo 2021, doi 10.5281/zenodo.4916206;
the cohort: Ribeiro et al., Nature Communications 2020. Eighteen files ``exams_partN.hdf5`` hold ``exam_id`` and
``tracings``, (exam, 4096, 12) in the order of `ORDER`, with zeros around the signal, which are taken away here. A row
belongs to the exam that ``exam_id`` names there, in no order of ``exams.csv``; each part ends with a row without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.api import Dataset, DatasetCard, RawSignal, RecordingEntry
from benchmark.data.formats.arrays import raw_signal
from benchmark.data.formats.hdf5 import read_hdf5, require_h5py
from benchmark.data.formats.tables import Row, WrongCells, not_empty, stream_table, whole_number
from benchmark.data.labels.demographics import parse_age
from benchmark.data.labels.splits import hashed_split
from benchmark.errors import DataError, RecordingError, UsageError
from benchmark.registry import DATASETS

ORDER = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")  # DI, DII ... in the release
SAMPLES = 4096
FLAGS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
NONE, NORMAL = "NONE", "NORM"  # no flag at all; and what the release calls a normal ECG
COLUMNS = ("exam_id", "age", "is_male", *FLAGS, "patient_id", "normal_ecg", "trace_file")
TABLE = "exams.csv"
TRUTHS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}  # casefolded
VAL, TEST = 0.08, 0.20  # shares of the patients, as of the recordings of CPSC2018 and CSN


@dataclass(frozen=True)
class Place:
    """A row of a part."""

    part: str
    row: int

    def __str__(self) -> str:
        return f"{self.part}, row {self.row}"


@DATASETS.register("code15")
class CODE15(Dataset):
    """Split by patient with `split_seed`. `units_per_millivolt` must be given: the release does not state its unit.

    1 reads samples as millivolts, as the PhysioNet Challenge 2025 does; 10 as the "1e-4 V" of the authors' page on
    their model; 2 after users who found amplitudes twice those of other data (github.com/antonior92/ecg-age-prediction,
    issues 1 and 5). It becomes part of the store and of every key, and every table names it.
    """

    card = DatasetCard(
        title="CODE-15 %, Telehealth Network of Minas Gerais",
        source="https://doi.org/10.5281/zenodo.4916206",
        licence="CC BY 4.0",
        derives_from=("code",),
        recordings=345779,
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {"flags": (*FLAGS, NONE), "diag": (*FLAGS, NORMAL)}
    rate = 400.0
    remedy = f"download {TABLE} and the 18 files exams_partN.zip from doi 10.5281/zenodo.4916206, and unpack them"

    def __init__(self, units_per_millivolt: float, split_seed: int = 0) -> None:
        if not 0 < units_per_millivolt < 1e6:
            raise UsageError(f"code15: units_per_millivolt is {units_per_millivolt}, it must be above 0, such as 1")
        self.units_per_millivolt, self.split_seed = units_per_millivolt, split_seed
        unit = f"read with {units_per_millivolt:g} of its units per millivolt, which the release does not state"
        self.warnings = (unit,)

    def entries(self, root: Path | None) -> Iterator[RecordingEntry]:
        """Yield one entry per exam, in the order of the table; raise one `DataError` for its wrong cells at the end."""
        assert root is not None
        require_h5py(root)
        wrong, parts = WrongCells(self.remedy), _Parts(root)
        for row in stream_table(root / TABLE, COLUMNS, wrong):
            yield self._entry(row, parts)
        wrong.refuse()

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        """Read one row without the zeros before and after the signal."""
        assert root is not None and isinstance(entry.locator, Place)
        path, shape = root / entry.locator.part, (SAMPLES, len(ORDER))
        array = read_hdf5(path, "tracings", entry.locator.row)
        if array.shape != shape or not np.issubdtype(array.dtype, np.floating):
            problem = (
                f"row {entry.locator.row} is {_text(array.shape)} of {array.dtype}, {_text(shape)} numbers expected"
            )
            raise RecordingError(path, problem, "unpack it again")
        remedy = "an electrode was loose, or units_per_millivolt is wrong"
        signal = without_padding(path, array).T
        return raw_signal(path, signal, self.units_per_millivolt, self.rate, ORDER, remedy)

    def _entry(self, row: Row, parts: _Parts) -> RecordingEntry:
        exam, patient = row.cell("exam_id", whole_number, 0), str(row.cell("patient_id", whole_number, 0))
        part = row.cell("trace_file", not_empty, "")
        male, normal = row.cell("is_male", _truth, False), row.cell("normal_ecg", _truth, False)
        flags = tuple(name for name in FLAGS if row.cell(name, _truth, False))
        if normal and flags:
            row.wrong.add(row.file, row.line, "normal_ecg", f"is true beside {', '.join(flags)}")
        place, problem = parts.find(part, exam)
        return RecordingEntry(
            record_id=str(exam),
            patient_id=patient,
            split=hashed_split(self.split_seed, patient, VAL, TEST),
            labels={"flags": flags or (NONE,), "diag": (*flags, *([NORMAL] if normal else []))},
            locator=place,
            age=parse_age(row["age"]),
            sex="male" if male else "female",
            problem=problem,
        )


class _Parts:
    """The rows of exams in the parts; each part's ``exam_id`` is read once, when the first exam of it comes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ids: dict[str, tuple[np.ndarray, np.ndarray] | str] = {}  # sorted ids with their rows, or a problem

    def find(self, part: str, exam: int) -> tuple[Place | None, str]:
        """Return where an exam lies, or what is wrong; raise `DataError` where a part names one exam twice."""
        if part not in self.ids:
            self.ids[part] = self._read(part)
        content = self.ids[part]
        if isinstance(content, str):
            return None, content
        numbers, rows = content
        at = int(np.searchsorted(numbers, exam))
        if at == len(numbers) or numbers[at] != exam:
            return None, f"{part} has no row for it"
        return Place(part, int(rows[at])), ""

    def _read(self, part: str) -> tuple[np.ndarray, np.ndarray] | str:
        if not part or Path(part).name != part:
            return f"{TABLE} names no file of the release for it"
        try:
            numbers = read_hdf5(self.root / part, "exam_id")
        except RecordingError as error:
            return f"{part}: {error.problem}"
        rows = np.flatnonzero(numbers != 0)  # the row after the last exam has id 0
        rows = rows[np.argsort(numbers[rows], kind="stable")]
        numbers = numbers[rows]
        if len(doubled := numbers[1:][numbers[1:] == numbers[:-1]]):
            raise DataError(f"{self.root / part}: exam_id {doubled[0]} stands in more than one row; download it again")
        return numbers, rows


def without_padding(path: Path, array: np.ndarray) -> np.ndarray:
    """Return ``(time, lead)`` without the samples at both ends where every lead is exactly 0."""
    recorded = np.flatnonzero((array != 0).any(axis=1))
    if not len(recorded):
        raise RecordingError(path, "a row is 0 throughout", "nothing was recorded: this recording cannot serve")
    return array[recorded[0] : recorded[-1] + 1]


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _truth(text: str) -> bool:
    if text.casefold() not in TRUTHS:
        raise ValueError(f"is {text[:40]!r}, it must be True or False")
    return TRUTHS[text.casefold()]
