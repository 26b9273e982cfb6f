"""The simplest possible layout of a dataset: WFDB records in a folder and an ``index.csv``."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmark.datasets.synthetic import Synthetic
from benchmark.testing.records import write_record


def write_folder(root: Path, recordings: int = 40, rate: int = 500) -> None:
    """Write synthetic recordings and ``index.csv`` with record, patient, split, classes (NORM or AFIB) and report."""
    dataset = Synthetic(rate=rate, patients=recordings)
    with (root / "index.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("record", "patient", "split", "classes", "report"))
        for entry in dataset.entries()[:recordings]:
            write_record(root / entry.record_id, dataset.read(entry).adc, rate)
            codes = "AFIB" if "AFIB" in entry.labels["conditions"] else "NORM"
            table.writerow((entry.record_id, entry.patient_id, entry.split, codes, entry.report))
