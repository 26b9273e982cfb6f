"""PTB-XL 1.0.3: 21,799 recordings of 10 s from 18,869 patients, with reports and SCP-ECG statements.

Wagner et al., "PTB-XL, a large publicly available electrocardiography dataset", Scientific Data 2020,
doi 10.13026/kfzx-aw45. Four label sets as the field uses them (Strodthoff et al., IEEE JBHI 2021), the
classes and members as in MERL's files; folds 1-8 train, 9 validation, 10 test, disjoint in patients.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmark.api import Dataset, DatasetCard, RawSignal, RecordingEntry
from benchmark.data.formats.tables import read_table
from benchmark.data.formats.wfdb_reader import read_wfdb
from benchmark.data.reports.language import report_language
from benchmark.errors import DataError, UsageError, raise_all
from benchmark.registry import DATASETS

if TYPE_CHECKING:
    import pandas as pd

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
SEXES = {0: "male", 1: "female"}
BROKEN_ROW = (  # what int, float, ast.literal_eval and a look-up make of nonsense
    *(ValueError, SyntaxError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError, MemoryError),
)
OVER_89 = 300  # the age that PTB-XL writes for everybody over 89

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
        """Index the recordings; patients of the 21,799 rows, labels, folds and reports are all checked."""
        assert root is not None
        statements = read_table(root / "scp_statements.csv", STATEMENT_COLUMNS, index="", remedy=self.remedy)
        table = read_table(root / "ptbxl_database.csv", RECORD_COLUMNS, remedy=self.remedy)
        classes_of = statement_classes(statements)
        column = "filename_lr" if self.rate == 100 else "filename_hr"
        entries, problems = [], []
        for line, row in enumerate(table.to_dict("records"), start=2):
            try:
                entries.append(self._entry(row, classes_of, column))
            except BROKEN_ROW as error:
                problems.append(f"line {line} (ecg_id {row['ecg_id'][:20]}): {str(error)[:200]}")
        shown = problems[:20] + ([f"... and {len(problems) - 20} more lines"] if len(problems) > 20 else [])
        raise_all(shown, f"{root / 'ptbxl_database.csv'}: wrong rows; {self.remedy}", DataError)
        return entries

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        assert root is not None
        return read_wfdb(root / entry.locator)

    def _entry(self, row: dict[str, str], classes_of: Mapping[str, Mapping[str, str]], column: str) -> RecordingEntry:
        codes = ast.literal_eval(row["scp_codes"])
        if not isinstance(codes, dict):
            raise ValueError(f"scp_codes must be a dict literal, it is {row['scp_codes'][:40]!r}")
        unknown = sorted(set(codes) - set(classes_of["known"]))
        if unknown:
            raise ValueError(f"scp_codes holds {', '.join(unknown)}, which scp_statements.csv lacks")
        age = float(row["age"]) if row["age"] else None
        return RecordingEntry(
            record_id=str(int(row["ecg_id"])),
            patient_id=str(int(float(row["patient_id"]))),  # stored as a float
            split=split_of_fold(int(row["strat_fold"])),
            labels={name: positive_classes(codes, classes_of[name], CLASSES[name]) for name in CLASSES},
            report=row["report"],
            locator=row[column],
            age=90.0 if age == OVER_89 else age,
            sex=SEXES.get(int(row["sex"])) if row["sex"] else None,
            device=" ".join(row["device"].split()) or None,
            language=report_language(row["report"]),
        )


def split_of_fold(fold: int) -> str:
    """Folds 1-8 train, 9 validation, 10 test."""
    if not 1 <= fold <= 10:
        raise ValueError(f"strat_fold is {fold}, it must be 1 to 10")
    return "train" if fold <= 8 else ("val" if fold == 9 else "test")


def statement_classes(statements: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Map each label set to {SCP code: class}; ``"known"`` maps every code to itself.

    Trailing and leading underscores are dropped (``NST_`` -> ``NST``), as MERL's files do.
    """
    codes = statements.index
    flagged = {name: statements[name].astype(str).str.startswith("1") for name in ("diagnostic", "form", "rhythm")}
    return {
        "known": {code: code for code in codes},
        "super": {c: statements.at[c, "diagnostic_class"] for c in codes[flagged["diagnostic"]]},
        "sub": {c: statements.at[c, "diagnostic_subclass"].strip("_") for c in codes[flagged["diagnostic"]]},
        "form": {c: c.strip("_") for c in codes[flagged["form"]]},
        "rhythm": {c: c.strip("_") for c in codes[flagged["rhythm"]]},
    }


def positive_classes(
    codes: Mapping[str, float], class_of: Mapping[str, str], order: tuple[str, ...]
) -> tuple[str, ...]:
    """Classes that a recording's codes belong to. A likelihood of 0 means unknown: the label counts as present."""
    present = {class_of[code] for code in codes if code in class_of}
    return tuple(name for name in order if name in present)
