"""PTB-XL 1.0.3: 21,799 recordings of 10 s from 18,869 patients, with reports and SCP-ECG statements.

Wagner et al., "PTB-XL, a large publicly available electrocardiography dataset", Scientific Data 2020,
doi 10.13026/kfzx-aw45. Six label sets of its classic benchmark (Strodthoff et al., IEEE JBHI 2021), of which super,
sub, form and rhythm have the classes and members of MERL's files; folds 1-8 train, 9 validation, 10 test, disjoint in
patients. Beside the store lie all 71 statements and the 44 diagnostic ones, what the tables say of patients and signal
quality, and the age as a number. Findings below the diagnosis are read from a file of others (`ecg_reasoning`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import ClassVar

from benchmark.api import Answer, Dataset, DatasetCard, RawSignal, RecordingEntry, SparseLabelSet, Target
from benchmark.data.formats.ecg_reasoning import PTBXL_FINDINGS, read_answers
from benchmark.data.formats.tables import BROKEN, Row, WrongCells, not_empty, read_table, whole_number, zero_or_one
from benchmark.data.formats.wfdb_reader import read_wfdb
from benchmark.data.reports.language import report_language
from benchmark.errors import UsageError
from benchmark.registry import DATASETS

QUALITY_FLAGS = ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems")
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
    "heart_axis",
    "infarction_stadium1",
    "infarction_stadium2",
    *QUALITY_FLAGS,
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
# the statements in the order of scp_statements.csv, without the underscores that fill up their names
DIAGNOSTIC = (
    *("NDT", "NST", "DIG", "LNGQT", "NORM", "IMI", "ASMI", "LVH", "LAFB", "ISC", "IRBBB", "1AVB", "IVCD", "ISCAL"),
    *("CRBBB", "CLBBB", "ILMI", "LAO/LAE", "AMI", "ALMI", "ISCIN", "INJAS", "LMI", "ISCIL", "LPFB", "ISCAS", "INJAL"),
    *("ISCLA", "RVH", "ANEUR", "RAO/RAE", "EL", "WPW", "ILBBB", "IPLMI", "ISCAN", "IPMI", "SEHYP", "INJIN", "INJLA"),
    *("PMI", "3AVB", "INJIL", "2AVB"),
)
NO_DIAGNOSIS = (
    *("ABQRS", "PVC", "STD", "VCLVH", "QWAVE", "LOWT", "NT", "PAC", "LPR", "INVT", "LVOLT", "HVOLT", "TAB", "STE"),
    *("PRC(S)", "SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE", "SVARR", "BIGU", "AFLT", "SVTAC", "PSVT", "TRIGU"),
)
STADIUMS = ("Stadium I", "Stadium I-II", "Stadium II", "Stadium II-III", "Stadium III")
UNFLAGGED = "clean"  # a recording without any remark on its quality is an example of none of the flags
FURTHER = {
    "all": (*DIAGNOSTIC, *NO_DIAGNOSIS),
    "diag": DIAGNOSTIC,
    "sex": ("female", "male"),
    "heart_axis": ("MID", "LAD", "ALAD", "RAD", "ARAD", "AXL", "AXR", "SAG"),
    "infarction_stadium": STADIUMS,
    "quality": (UNFLAGGED, *QUALITY_FLAGS),
}


@DATASETS.register("ptbxl")
class PTBXL(Dataset):
    """PTB-XL in its original layout; `rate` chooses ``records100`` or ``records500``."""

    card = DatasetCard(
        title="PTB-XL 1.0.3",
        source="https://physionet.org/content/ptb-xl/1.0.3/",
        licence="CC BY 4.0",
        may_redistribute=True,
        derives_from=("physionet2020", "physionet2021"),
        recordings=21799,
        sizes={
            "super": (17084, 2146, 2158),
            "sub": (17084, 2146, 2158),
            "form": (7197, 901, 880),
            "rhythm": (16832, 2100, 2098),
            "all": (17418, 2183, 2198),
            "diag": (17084, 2146, 2158),
            "age": (17201, 2141, 2164),
        },
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = CLASSES
    further_label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = FURTHER
    targets: ClassVar[Mapping[str, Target]] = {
        "age": Target("years", 0, 89, "of the patient", f"everybody over 89 is coded {OVER_89}")
    }
    folds: ClassVar[int] = 10
    sparse_label_sets: ClassVar[Mapping[str, SparseLabelSet]] = {"findings": PTBXL_FINDINGS}
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

    @classmethod
    def answers(cls, name: str, content: bytes) -> Iterable[Answer]:
        return read_answers(content)

    def _entry(self, row: Row, classes_of: Mapping[str, Mapping[str, str]], column: str) -> RecordingEntry:
        codes: dict[str, float] = row.cell("scp_codes", lambda text: _codes(text, classes_of["known"]), {})
        sex, years = row.cell("sex", _sex, None), row.cell("age", _years, None)
        labels = {name: positive_classes(codes, classes_of[name], CLASSES[name]) for name in CLASSES}
        return RecordingEntry(
            record_id=str(row.cell("ecg_id", whole_number, 0)),
            patient_id=str(row.cell("patient_id", whole_number, 0)),  # stored as a float
            split=row.cell("strat_fold", lambda text: split_of_fold(whole_number(text)), ""),
            labels={**labels, **further_labels(row, codes, sex)},
            report=row["report"],
            locator=row.cell(column, not_empty, ""),
            age=90.0 if years == OVER_89 else years,
            sex=sex,
            device=" ".join(row["device"].split()) or None,
            language=report_language(row["report"]),
            targets={} if years is None else {"age": years},
            fold=row.cell("strat_fold", whole_number, 0),
        )


def further_labels(row: Row, codes: Mapping[str, float], sex: str | None) -> dict[str, tuple[str, ...]]:
    """Return the positive classes of a recording in the label sets beside the store.

    An unknown stage of infarction gives no class. Remarks on quality name leads; any remark makes its flag positive.
    """
    statements = {code.strip("_") for code in codes}
    axis = row.cell("heart_axis", lambda text: _one_of(text, FURTHER["heart_axis"]), "")
    stadiums = {row.cell(f"infarction_stadium{number}", _stadium, "") for number in (1, 2)}
    flags = tuple(flag for flag in QUALITY_FLAGS if row[flag].strip(" ,"))
    return {
        **{name: tuple(code for code in FURTHER[name] if code in statements) for name in ("all", "diag")},
        "sex": (sex,) if sex else (),
        "heart_axis": (axis,) if axis else (),
        "infarction_stadium": tuple(stadium for stadium in STADIUMS if stadium in stadiums),
        "quality": flags or (UNFLAGGED,),
    }


def _one_of(text: str, choices: Sequence[str]) -> str:
    if text and text not in choices:
        raise ValueError(f"is {text[:40]!r}, it must be one of {', '.join(choices)} or empty")
    return text


def _stadium(text: str) -> str:
    return "" if text == "unknown" else _one_of(text, STADIUMS)


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


def _years(text: str) -> float | None:
    """Parse an age as the table has it, `OVER_89` for everybody over 89; an empty cell is None."""
    try:
        years = float(text or "nan")
    except ValueError:
        raise ValueError(f"is {text[:40]!r}, it must be a number of years") from None
    return None if isnan(years) else years


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
