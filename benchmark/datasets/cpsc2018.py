"""CPSC2018: 6,877 recordings of 6 to 60 s at 500 Hz, nine diagnoses, up to three of them per recording.

Liu et al., "An open access database for evaluating the algorithms of electrocardiogram rhythm and morphology
abnormality detection", JMIHI 2018. Two layouts are read, even mixed: WFDB ``A0001.hea`` and ``A0001.mat`` of
the PhysioNet challenges 2020 and 2021, and the original MATLAB files. Labels come from ``REFERENCE.csv`` by file
name, otherwise from the headers, which give diagnoses in words or as SNOMED codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.api import LEADS, Dataset, DatasetCard, RawSignal, RecordingEntry
from benchmark.data.formats.matlab5 import read_matlab_ecg, read_matlab_person
from benchmark.data.formats.merl_files import REMEDY, read_merl, require_merl
from benchmark.data.formats.tables import Row, WrongCells, not_empty, read_table, zero_or_one
from benchmark.data.formats.wfdb_reader import MISSING_SAMPLE, parse_header, read_wfdb
from benchmark.data.labels.demographics import parse_age, parse_sex
from benchmark.data.labels.splits import hashed_split
from benchmark.data.store.file_walk import find_files
from benchmark.errors import DataError, RecordingError, check_choices
from benchmark.registry import DATASETS

CLASSES = ("AFIB", "VPC", "NORM", "1AVB", "CRBBB", "STE", "PAC", "CLBBB", "STD")
REFERENCE = ("NORM", "AFIB", "1AVB", "CLBBB", "CRBBB", "PAC", "VPC", "STD", "STE")  # codes 1 to 9 of REFERENCE.csv
DIAGNOSES = {  # by the text after #Dx: in headers
    "normal": "NORM",
    "af": "AFIB",
    "i-avb": "1AVB",
    "lbbb": "CLBBB",
    "rbbb": "CRBBB",
    "pac": "PAC",
    "pvc": "VPC",
    "std": "STD",
    "ste": "STE",
    "426783006": "NORM",
    "164889003": "AFIB",
    "270492004": "1AVB",
    "164909002": "CLBBB",
    "59118001": "CRBBB",
    "713427006": "CRBBB",
    "284470004": "PAC",
    "164884008": "VPC",
    "427172004": "VPC",
    "17338001": "VPC",
    "429622005": "STD",
    "164931005": "STE",
}
VAL, TEST = 0.08, 0.20  # shares of the recordings, as in MERL's split
UNITS_PER_MILLIVOLT = 1000  # the original doubles are rounded to these units, as in the challenges
COLUMNS = ("Recording", "First_label", "Second_label", "Third_label")
NOT_LISTED = "MERL's files do not list it"
LAYOUT = "keep A0001.hea and A0001.mat (PhysioNet challenge) or the original A0001.mat, and REFERENCE.csv"


@DATASETS.register("cpsc2018")
class CPSC2018(Dataset):
    """`split`: "seeded" (by `split_seed`) or "merl"; `labels`: "exact" or "merl", which reproduces an index fault.

    The MERL options read its split files from `merl_files` (folder or archive; default ``$ECGARENA_DATA/merl``).
    """

    card = DatasetCard(
        title="CPSC2018 (training set of the China Physiological Signal Challenge 2018)",
        source="https://physionet.org/content/challenge-2020/1.0.2/ (training/cpsc_2018)",
        licence="CC BY 4.0",
        may_redistribute=True,
        derives_from=("physionet2020", "physionet2021"),
        recordings=6877,
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {"rhythm": CLASSES}
    locations = ("merl_files",)
    rate = 500.0
    seconds = 16.0
    remedy = "download CPSC2018 from physionet.org/content/challenge-2020/1.0.2 (training/cpsc_2018); " + LAYOUT

    def __init__(self, split: str = "seeded", labels: str = "exact", split_seed: int = 0, merl_files: str = "") -> None:
        check_choices("cpsc2018", split=(split, ("seeded", "merl")), labels=(labels, ("exact", "merl")))
        self.split, self.labels, self.split_seed, self.merl_files = split, labels, split_seed, merl_files
        marks = {
            "split": "split of MERL's files, joined on the file name",
            "labels": "labels of MERL's files by index, as if ecg_id N were file A000N: most are another recording's",
        }
        self.warnings = tuple(mark for option, mark in marks.items() if getattr(self, option) == "merl")

    def entries(self, root: Path | None) -> Iterator[RecordingEntry]:
        """Yield one entry per recording that a file or a table names, sorted by name."""
        assert root is not None
        files, tables = _find(root)
        reference = _read_reference(tables, self.remedy)
        merl = _read_merl(require_merl(self.merl_files)) if self.warnings else {}
        names = sorted({*files, *reference, *merl})
        if not names:
            raise DataError(
                f"{root} holds no A0001.hea, A0001.mat or REFERENCE.csv, nor any folder in it; {self.remedy}"
            )
        if not reference and any(path.suffix == ".mat" for path in files.values()):
            raise DataError(f"{root} holds no REFERENCE.csv, and MATLAB files carry no labels; {self.remedy}")
        for name in names:
            yield self._entry(name, files.get(name), root, reference, merl)

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        """Read either layout: the integers of the challenges, or the original doubles rounded to microvolts."""
        assert root is not None
        path = root / entry.locator
        return read_wfdb(path.with_suffix("")) if path.suffix == ".hea" else _read_original(path)

    def _entry(
        self,
        name: str,
        path: Path | None,
        root: Path,
        reference: Mapping[str, tuple[str, ...]],
        merl: Mapping[str, _Merl],
    ) -> RecordingEntry:
        codes, about, problem = reference.get(name, ()), _About(), ""
        if path is None:
            problem = "its files are missing"
        elif reference and name not in reference:
            problem = "REFERENCE.csv does not list it"
        else:
            try:
                about = _read_about(path)
            except RecordingError as error:
                problem = str(error)
            codes = codes or about.labels
        if merl and name not in merl:
            problem = NOT_LISTED
        if self.labels == "merl" and name in merl:
            codes = merl[name].labels_by_index
        return RecordingEntry(
            record_id=name,
            patient_id=name,  # no patient is known
            split=merl[name].split if self.split == "merl" and name in merl else self._seeded(name),
            labels={"rhythm": codes},
            locator=str(path.relative_to(root)) if path else None,
            age=about.age,
            sex=about.sex,
            problem=problem,
            excluded=problem == NOT_LISTED,
        )

    def _seeded(self, name: str) -> str:
        return hashed_split(self.split_seed, name, VAL, TEST)


@dataclass(frozen=True)
class _About:
    """The metadata in the file of a recording."""

    labels: tuple[str, ...] = ()
    age: float | None = None
    sex: str | None = None


@dataclass(frozen=True)
class _Merl:
    """MERL's entry for a recording: its split by file name, and the labels found by its number as an index."""

    split: str
    labels_by_index: tuple[str, ...]


def _read_about(path: Path) -> _About:
    if path.suffix == ".hea":
        header = parse_header(path)
        age, sex = parse_age(header.comment("Age")), parse_sex(header.comment("Sex"))
        return _About(_header_labels(header.all_comments("Dx")), age, sex)
    text, number = read_matlab_person(path)
    return _About((), parse_age(str(number)), parse_sex(text))


def _read_merl(source: Path) -> dict[str, _Merl]:
    wrong = WrongCells(REMEDY)
    rows = list(read_merl(source, "icbeb", ("ecg_id", "filename", *CLASSES), wrong))
    by_number = {
        row["ecg_id"]: tuple(label for label in CLASSES if row.cell(label, zero_or_one, False)) for _, row in rows
    }
    wrong.refuse()
    return {row["filename"]: _Merl(split, by_number.get(_number(row["filename"]), ())) for split, row in rows}


def _number(name: str) -> str:
    """Convert ``"A0012"`` to ``"12"``."""
    return name.lstrip("A0")


def _find(root: Path) -> tuple[dict[str, Path], list[Path]]:
    """Find the file of each recording, preferring a header, and the reference tables."""
    files: dict[str, Path] = {}
    tables = []
    for path in find_files(root, r"A\d{4}\.(hea|mat)|REFERENCE\.csv"):
        if path.suffix == ".csv":
            tables.append(path)
        elif path.suffix == ".hea" or path.stem not in files:
            files[path.stem] = path
    return files, tables


def _read_reference(tables: list[Path], remedy: str) -> dict[str, tuple[str, ...]]:
    """Return the labels of each recording; raise one error for contradictions and unknown codes."""
    codes: dict[str, tuple[str, ...]] = {}
    wrong = WrongCells(remedy)
    for path in tables:
        for row in read_table(path, COLUMNS, wrong):
            name, labels = row.cell(COLUMNS[0], not_empty, ""), _row_labels(row)
            if codes.setdefault(name, labels) != labels:
                wrong.add(path, row.line, COLUMNS[0], f"{name[:20]} has other labels in another row")
    wrong.refuse()
    return codes


def _row_labels(row: Row) -> tuple[str, ...]:
    """Return the labels of a recording; the first column must hold one."""
    first, *others = COLUMNS[1:]
    labels = {row.cell(first, _label, ""), *(row.cell(name, lambda code: code and _label(code), "") for name in others)}
    return tuple(label for label in CLASSES if label in labels)


def _label(code: str) -> str:
    number = code.removesuffix(".0")
    if number not in {str(place) for place in range(1, 10)}:
        raise ValueError(f"is {code[:40]!r}, labels must be 1 to 9")
    return REFERENCE[int(number) - 1]


def _header_labels(texts: list[str]) -> tuple[str, ...]:
    present = {DIAGNOSES.get(part.strip().lower()) for text in texts for part in text.split(",")}
    return tuple(label for label in CLASSES if label in present)


def _read_original(path: Path) -> RawSignal:
    microvolts = read_matlab_ecg(path).millivolt * UNITS_PER_MILLIVOLT
    missing = ~np.isfinite(microvolts)
    microvolts[missing] = 0
    if np.abs(microvolts, out=np.empty_like(microvolts)).max(initial=0) > -MISSING_SAMPLE - 1:
        raise RecordingError(path, "holds more than 32.767 mV", "this recording cannot serve")
    adc = np.round(microvolts).astype(np.int16)
    adc[missing] = MISSING_SAMPLE
    gain = np.full(len(LEADS), float(UNITS_PER_MILLIVOLT))
    return RawSignal(adc, gain, np.zeros(len(LEADS), np.int64), 500.0, LEADS)
