"""PTB-XL 1.0.3: 21,799 recordings of 10 s from 18,869 patients, with reports and SCP-ECG statements.

Wagner et al., "PTB-XL, a large publicly available electrocardiography dataset", Scientific Data 2020,
doi 10.13026/kfzx-aw45. Four label sets as the field uses them (Strodthoff et al., IEEE JBHI 2021), the
classes and members as in MERL's files; folds 1-8 train, 9 validation, 10 test, disjoint in patients.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import ClassVar

from benchmark.api import Dataset, DatasetCard, RawSignal, RecordingEntry
from benchmark.data.formats.tables import BROKEN, Row, WrongCells, not_empty, read_table, whole_number, zero_or_one
from benchmark.data.formats.wfdb_reader import read_wfdb
from benchmark.data.reports.language import report_language
from benchmark.errors import UsageError
from benchmark.registry import DATASETS

RECORD_COLUMNS = (
    "ecg_id",
    "patient_id",
    "age",
    "sex",
    "device",
    "report",
    "scp_codes",
    "strat_fold",
    "filename_lr",
    "filename_hr",
)
STATEMENT_COLUMNS = ("diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass")
SEXES = {"0": "male", "1": "female"}
OVER_89 = 300  # PTB-XL's age for everybody over 89

CLASSES = {
    "super": ("HYP", "NORM", "MI", "CD", "STTC"),
    "sub": (
        *("AMI", "LAFB/LPFB", "LVH", "STTC", "IMI", "SEHYP", "CRBBB", "WPW", "LAO/LAE", "NORM", "ISC", "AVB"),
        *("RAO/RAE", "LMI", "ISCI", "ISCA", "NST", "CLBBB", "ILBBB", "IRBBB", "PMI", "RVH", "IVCD"),
    ),
    "form": (
        *("PAC", "DIG", "HVOLT", "STD", "LPR", "QWAVE", "VCLVH", "NDT", "TAB", "LOWT", "ABQRS", "LNGQT", "PRC(S)"),
        *("NT", "STE", "NST", "PVC", "INVT", "LVOLT"),
    ),
    "rhythm": (*("SVARR", "BIGU", "STACH", "SARRH", "SBRAD", "TRIGU", "AFIB", "SR", "SVTAC", "PSVT", "AFLT", "PACE"),),
}


@DATASETS.register("ptbxl")
class PTBXL(Dataset):
    """PTB-XL in its original layout; `rate` chooses ``records100`` or ``records500``."""

    card = DatasetCard(
        title="PTB-XL 1.0.3",
        source="https://physionet.org/content/ptb-xl/1.0.3/",
        licence="CC BY 4.0",
        derives_from=("physionet2020", "physionet2021"),
        recordings=21799,
        sizes={
            "super": (17084, 2146, 2158),
            "sub": (17084, 2146, 2158),
            "form": (7197, 901, 880),
            "rhythm": (16832, 2100, 2098),
        },
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = CLASSES
    remedy = "download PTB-XL 1.0.3 from physionet.org/content/ptb-xl/1.0.3 and keep its layout"

    def __init__(self, rate: int = 100) -> None:
        if rate not in (100, 500):
            raise UsageError(f"ptbxl: rate is {rate!r}, PTB-XL comes at 100 and 500 Hz")
        self.rate = rate

    def entries(self, root: Path | None) -> list[RecordingEntry]:
        """Index the recordings; raise one `DataError` for the wrong cells of both tables."""
        assert root is not None
        wrong = WrongCells(self.remedy)
        statements = read_table(root / "scp_statements.csv", ("", *STATEMENT_COLUMNS), wrong, key="")
        table = read_table(root / "ptbxl_database.csv", RECORD_COLUMNS, wrong, key="ecg_id")
        classes_of = statement_classes(statements)
        column = "filename_lr" if self.rate == 100 else "filename_hr"
        entries = [self._entry(row, classes_of, column) for row in table]
        wrong.refuse()
        return entries

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        assert root is not None
        return read_wfdb(root / entry.locator)

    def _entry(self, row: Row, classes_of: Mapping[str, Mapping[str, str]], column: str) -> RecordingEntry:
        codes: dict[str, float] = row.cell("scp_codes", lambda text: _codes(text, classes_of["known"]), {})
        return RecordingEntry(
            record_id=str(row.cell("ecg_id", whole_number, 0)),
            patient_id=str(row.cell("patient_id", whole_number, 0)),  # stored as a float
            split=row.cell("strat_fold", lambda text: split_of_fold(whole_number(text)), ""),
            labels={name: positive_classes(codes, classes_of[name], CLASSES[name]) for name in CLASSES},
            report=row["report"],
            locator=row.cell(column, not_empty, ""),
            age=row.cell("age", _age, None),
            sex=row.cell("sex", _sex, None),
            device=" ".join(row["device"].split()) or None,
            language=report_language(row["report"]),
        )


def _codes(text: str, statements: Mapping[str, str]) -> dict[str, float]:
    try:
        codes = ast.literal_eval(text)
    except BROKEN:
        codes = None
    if not isinstance(codes, dict):
        raise ValueError(f"is {text[:40]!r}, it must be a dict literal")
    unknown = sorted(set(codes) - set(statements))
    if unknown:
        raise ValueError(f"holds {', '.join(unknown)}, which scp_statements.csv lacks")
    return codes


def _age(text: str) -> float | None:
    """Parse an age in years; everybody over 89 is 90, an empty cell None."""
    try:
        age = float(text or "nan")
    except ValueError:
        raise ValueError(f"is {text[:40]!r}, it must be a number of years") from None
    return 90.0 if age == OVER_89 else None if isnan(age) else age


def _sex(text: str) -> str | None:
    if text and text not in SEXES:
        raise ValueError(f"is {text[:40]!r}, it must be 0 (male) or 1 (female)")
    return SEXES.get(text)


def split_of_fold(fold: int) -> str:
    """Return the split of a fold: 1-8 train, 9 validation, 10 test."""
    if not 1 <= fold <= 10:
        raise ValueError(f"is {fold}, it must be 1 to 10")
    return "train" if fold <= 8 else ("val" if fold == 9 else "test")


def statement_classes(statements: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Map each label set to {SCP code: class}; ``"known"`` maps every code to itself.

    Trailing and leading underscores are dropped (``NST_`` -> ``NST``), as MERL's files do.
    """
    classes: dict[str, dict[str, str]] = {name: {} for name in ("known", *CLASSES)}
    for row in statements:
        code = row[""]
        classes["known"][code] = code
        if row.cell("diagnostic", _flag, False):
            classes["super"][code] = row.cell("diagnostic_class", not_empty, "")
            classes["sub"][code] = row.cell("diagnostic_subclass", not_empty, "").strip("_")
        for name in ("form", "rhythm"):
            if row.cell(name, _flag, False):
                classes[name][code] = code.strip("_")
    return classes


def _flag(text: str) -> bool:
    return bool(text) and zero_or_one(text)


def positive_classes(
    codes: Mapping[str, float], class_of: Mapping[str, str], order: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the classes of a recording's codes; a likelihood of 0 means unknown and counts as present."""
    present = {class_of[code] for code in codes if code in class_of}
    return tuple(name for name in order if name in present)
