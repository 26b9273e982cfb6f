"""A small MIMIC-IV-ECG in its original layout, from synthetic recordings, with the oddities of the real one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from benchmark.api import LEADS, RecordingEntry
from benchmark.datasets.synthetic import Synthetic
from benchmark.testing.records import write_record

NATIVE_LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
MISSING = -32768
MEASUREMENTS = (
    *("bandwidth", "filtering", "rr_interval", "p_onset", "p_end", "qrs_onset"),
    *("qrs_end", "t_end", "p_axis", "qrs_axis", "t_axis"),
)


def write_mimic_iv_ecg(
    root: Path,
    patients: int = 20,
    seed: int = 0,
    report_columns: int = 18,
    samples: int = 5000,
    odd: bool = True,
    same_signal: bool = False,
) -> list[int]:
    """Write both tables and ``files/``; return the study ids in the order of the record list.

    The two tables have different orders of rows. With `odd`, recordings are odd by position: 0 has no report at all, 1
    a short one, 2 no row among the reports, 3 lacks every sample of a lead, 4 some samples of one. Every third has no P
    wave for the machine, which then writes 29999. `samples` shortens the recordings. `same_signal` writes a single file
    for all rows, for tests that need very many.
    """
    dataset = Synthetic(rate=500, patients=patients, seed=seed)
    root.mkdir(parents=True, exist_ok=True)
    order = [LEADS.index(lead) for lead in NATIVE_LEADS]
    studies: list[int] = []
    records: list[list[object]] = []
    reports: list[list[object]] = []
    shared = ""
    for number, entry in enumerate(dataset.entries(None)):
        subject, study = 10_000_000 + int(entry.patient_id), 40_000_000 + 7 * number
        path = f"files/p{str(subject)[:4]}/p{subject}/s{study}/{study}"
        if same_signal and shared:
            path = shared
        else:
            adc = dataset.read(entry, None).adc[order, :samples] // 5  # 200 units per millivolt
            if odd and number == 3:
                adc[9] = MISSING
            if odd and number == 4:
                adc[9, 2:7] = MISSING
            write_record(root / path, adc, 500, NATIVE_LEADS, gain="200.0(0)/mV")
        shared = path
        studies.append(study)
        time = f"2150-01-{number % 28 + 1:02d} 10:00:00"
        records.append([subject, study, study, time, path])
        lines = _lines(entry, number if odd else 99)
        if not odd or number != 2:
            cells = [*lines, *[""] * report_columns][:report_columns]
            reports.append([subject, study, 6_000_000 + number % 3, time, *cells, *_measurements(entry, number)])
    names = [f"report_{column}" for column in range(report_columns)]
    np.random.default_rng(seed).shuffle(reports)
    head = ["subject_id", "study_id", "cart_id", "ecg_time", *names, *MEASUREMENTS]
    _write(root / "machine_measurements.csv", head, reports)
    _write(root / "record_list.csv", ["subject_id", "study_id", "file_name", "ecg_time", "path"], records)
    return studies


def _measurements(entry: RecordingEntry, number: int) -> list[object]:
    """Return the machine's numbers in the order of `MEASUREMENTS`."""
    p_onset, p_end, p_axis = (29999, 29999, 29999) if number % 3 == 0 else (40, 140, 50 + number % 20)
    rr = round(60000 / entry.targets["heart_rate"])
    return ["0.005-150 Hz", "60 Hz notch", rr, p_onset, p_end, 200, 290 + number % 7, 580, p_axis, 30 - number % 60, 45]


def _lines(entry: RecordingEntry, number: int) -> list[str]:
    if number == 0:
        return []
    if number == 1:
        return ["Abnormal EKG"]
    sentences = [line.strip() for line in entry.report.replace("\n", ".").split(".") if line.strip()]
    return ["*** Sinus rhythm assumed by the EKG machine.", *sentences, "Summary: see above ***"]


def _write(path: Path, head: list[str], rows: list[list[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])


def write_mimic_diagnoses(root: Path) -> dict[str, list[str]]:
    """Write the table of MIMIC-IV-ECG-Ext-ICD beside the tables in `root`; return the codes by study id.

    Its rows have another order than the record list. Every fourth study has no linked diagnosis, as ``[]``.
    """
    with (root / "record_list.csv").open(encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))
    cycle: tuple[list[str], ...] = (["I2510", "E785"], ["I4891"], [], ["W19XXXA", "R4182"])
    codes = {record["study_id"]: cycle[number % len(cycle)] for number, record in enumerate(records)}
    head = ["file_name", "study_id", "subject_id", "ecg_time", "all_diag_hosp", "all_diag_all", "gender", "strat_fold"]
    rows: list[list[object]] = [
        [record["path"], record["study_id"], record["subject_id"], record["ecg_time"], "[]", own, "F", 3]
        for record in reversed(records)
        if (own := str(codes[record["study_id"]]))
    ]
    _write(root / "records_w_diag_icd10.csv", head, rows)
    return codes
