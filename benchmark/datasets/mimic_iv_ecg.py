"""MIMIC-IV-ECG 1.0: 800,035 recordings of 10 s at 500 Hz from 161,352 patients, each with a machine's report.

Gow et al., "MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset", PhysioNet 2023. MERL, DERI and
others pre-train on it. Reports are joined on study_id and cleaned as MERL's notebook does; its pairing by row
order and its split by recording are not copied. The files store aVF before aVL; leads are taken by name. Discharge
diagnoses come from a table of MIMIC-IV-ECG-Ext-ICD where it lies beside the others (`benchmark.data.labels.icd10`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from benchmark.api import Dataset, DatasetCard, RawSignal, RecordingEntry, Target
from benchmark.data.formats.csv_index import CsvFile, RowIndex
from benchmark.data.formats.tables import WrongCells
from benchmark.data.formats.wfdb_reader import read_wfdb
from benchmark.data.labels import icd10
from benchmark.data.labels.splits import hashed_split
from benchmark.data.reports.report_texts import real_report
from benchmark.errors import DataError, UsageError
from benchmark.registry import DATASETS

RECORDS, REPORTS = "record_list.csv", "machine_measurements.csv"
RECORD_COLUMNS = ("subject_id", "study_id", "path")
REPORT_COLUMNS = ("subject_id", "study_id", "cart_id")
REPORT_COLUMN = re.compile(r"report_(\d+)")
WAVES = {"p": "the P wave", "qrs": "the QRS complex", "t": "the T wave"}
ABSENT = 29999  # how the machine writes that it did not measure
AXIS = "as the machine measures it; 29999 stands for none"
TARGETS = {
    "rr_interval": Target("ms", 200, 3000, "mean interval between beats", "29999 stands for none"),
    "p_duration": Target("ms", 20, 300, "p_end - p_onset"),
    "pr_interval": Target("ms", 50, 600, "qrs_onset - p_onset"),
    "qrs_duration": Target("ms", 30, 400, "qrs_end - qrs_onset"),
    "qt_interval": Target("ms", 150, 900, "t_end - qrs_onset"),
    **{f"{wave}_axis": Target("degrees", -180, 360, f"frontal axis of {name}, {AXIS}") for wave, name in WAVES.items()},
}
INTERVALS = {  # end and onset in the table
    "p_duration": ("p_end", "p_onset"),
    "pr_interval": ("qrs_onset", "p_onset"),
    "qrs_duration": ("qrs_end", "qrs_onset"),
    "qt_interval": ("t_end", "qrs_onset"),
}
COLUMNS = ("rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end", "p_axis", "qrs_axis", "t_axis")
DIAGNOSES = "icd10_heart"
VAL, TEST = 0.02, 0.02  # shares of the patients; MERL holds out 2 % of the recordings


@DATASETS.register("mimic_iv_ecg")
class MIMICIVECG(Dataset):
    """Recordings whose report has at least `min_words` words, split by patient with `split_seed`.

    Labels are discharge diagnoses, for those who have the table of MIMIC-IV-ECG-Ext-ICD 1.0.1
    (physionet.org/content/mimic-iv-ecg-ext-icd-labels/1.0.1, credentialed access): `icd10_heart` has the categories I05
    to I52 of its column all_diag_all, and OTHER for diagnoses of which none is of the heart. A recording without any
    linked diagnosis does not belong to it. The table's own folds are not used: they would be another split.
    """

    card = DatasetCard(
        title="MIMIC-IV-ECG 1.0",
        source="https://physionet.org/content/mimic-iv-ecg/1.0/",
        licence="Open Database License 1.0 (its ICD-10 table: PhysioNet Credentialed Health Data License)",
        recordings=800035,
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    further_label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {DIAGNOSES: icd10.HEART}
    optional_tables: ClassVar[Mapping[str, str]] = {DIAGNOSES: icd10.TABLE}
    targets: ClassVar[Mapping[str, Target]] = TARGETS
    rate = 500.0
    remedy = (
        f"download MIMIC-IV-ECG 1.0 from physionet.org/content/mimic-iv-ecg/1.0: {RECORDS}, {REPORTS} and files/; for "
        f"diagnoses {icd10.TABLE} from physionet.org/content/mimic-iv-ecg-ext-icd-labels/1.0.1"
    )

    def __init__(self, min_words: int = 4, split_seed: int = 0) -> None:
        if min_words < 0:
            raise UsageError(f"mimic_iv_ecg: min_words is {min_words}, it must be 0 or more")
        self.min_words, self.split_seed = min_words, split_seed

    def entries(self, root: Path | None) -> Iterator[RecordingEntry]:
        """Yield one entry per row of the record list, in order; neither table is ever in memory as a whole."""
        assert root is not None
        wrong = WrongCells(self.remedy)
        table = root / icd10.TABLE
        diagnoses = icd10.Diagnoses(table, wrong) if table.is_file() else None
        with (
            CsvFile(root / REPORTS, REPORT_COLUMNS, wrong) as reports,
            CsvFile(root / RECORDS, RECORD_COLUMNS, wrong) as records,
        ):
            columns, path = report_columns(reports), records.column("path")
            index = RowIndex(reports, "study_id")
            for line, _, row in records.rows():
                patient, study = records.number(row, "subject_id", line), records.number(row, "study_id", line)
                if patient is not None and study is not None:
                    labels = {DIAGNOSES: diagnoses.of(study, patient)} if diagnoses else {}
                    yield self._entry(patient, study, row[path], index.get(study), reports, columns, labels)
        wrong.refuse()

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        assert root is not None
        return read_wfdb(root / entry.locator)

    def _entry(
        self,
        patient: int,
        study: int,
        path: str,
        row: list[str] | None,
        reports: CsvFile,
        columns: Sequence[int],
        labels: Mapping[str, tuple[str, ...]],
    ) -> RecordingEntry:
        report, cart, problem, excluded = "", None, "", False
        numbers: dict[str, float] = {}
        if row is None:
            problem = f"{REPORTS} has no row with its study_id"
        elif row[reports.column("subject_id")].strip().removesuffix(".0") != str(patient):
            problem = f"{REPORTS} gives its study_id to another subject_id"
        else:
            cart = real_report(row[reports.column("cart_id")]).strip().removesuffix(".0") or None
            numbers = measurements(row, reports.header)
            report, words = clean_report([row[column] for column in columns])
            if words < self.min_words:
                problem, excluded = f"its report has fewer than {self.min_words} words", True
        return RecordingEntry(
            record_id=str(study),
            patient_id=str(patient),
            split=hashed_split(self.split_seed, str(patient), VAL, TEST),
            labels=labels,
            report=report,
            locator=path,
            device=f"cart {cart}" if cart else None,
            language="en",
            problem=problem,
            excluded=excluded,
            targets=numbers,
        )


def measurements(row: Sequence[str], header: Sequence[str]) -> dict[str, float]:
    """Return the targets of a row of the machine's table; those that it lacks, or that are no number, are absent."""
    cells = dict(zip(header, row, strict=False))
    numbers = {name: value for name in COLUMNS if (value := _number(cells.get(name, ""))) is not None}
    intervals = {
        name: numbers[end] - numbers[onset]
        for name, (end, onset) in INTERVALS.items()
        if end in numbers and onset in numbers
    }
    return {name: value for name, value in {**numbers, **intervals}.items() if name in TARGETS}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if value == ABSENT else value


def report_columns(reports: CsvFile) -> list[int]:
    """Return the positions of report_0, report_1 ... sorted by number; a file may have fewer than all eighteen."""
    columns = [
        (int(match[1]), place) for place, name in enumerate(reports.header) if (match := REPORT_COLUMN.fullmatch(name))
    ]
    if not columns:
        raise DataError(f"{reports.path} has no column report_0, report_1 ...; {reports.wrong.remedy}")
    return [place for _, place in sorted(columns)]


def clean_report(lines: Sequence[str]) -> tuple[str, int]:
    """Join and clean the lines of a report as MERL does; return the text and its number of words.

    Double full stops are normal, since many lines already end with one. An empty report is "", while
    MERL writes the word "empty".
    """
    text = ". ".join(line for line in lines if real_report(line))
    text = text.replace("EKG", "ECG").replace("ekg", "ecg")
    text = text.strip(" *").strip("*").strip("=-").strip("=").lower()
    words = len(text.split())
    return (f"{text.translate(_BLANKS)}." if words else ""), words


_BLANKS = str.maketrans("\n\r\t", "   ")
