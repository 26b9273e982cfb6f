"""A small Chapman-Shaoxing-Ningbo in its original layout, out of synthetic recordings."""

from __future__ import annotations

from pathlib import Path

from benchmark.datasets.csn import SNOMED
from benchmark.datasets.synthetic import Synthetic
from benchmark.testing.records import write_record

FINDINGS = {  # synthetic condition -> classes that the dataset might give it
    "NORM": ("SR",),
    "STACH": ("ST",),
    "SBRAD": ("SR",),
    "AFIB": ("AFIB",),
    "1AVB": ("1AVB",),
    "CLBBB": ("LBBB",),
    "CRBBB": ("RBBB",),
    "ASTE": ("STE", "MI"),
    "ISTE": ("STE",),
    "LSTD": ("STDD", "STTC"),
    "LVHT": ("LVH",),
    "PVB": ("VPB",),
    "PAB": ("APB",),
}
UNKNOWN_CODES = ("55827005", "426177001")  # codes that its own table lacks, and one without a class


def write_csn(root: Path, patients: int = 20, seed: int = 0, rate: int = 500) -> int:
    """Write synthetic recordings under ``WFDBRecords/``; one per patient. Return how many.

    Of its oddities it has both spellings of the comments (``#Dx:`` and ``# Dx:``), codes that no table knows, an
    age that is no number and a flat lead. A `rate` below the dataset's 500 Hz is for those who only read headers.
    """
    made = Synthetic(rate=rate, patients=patients, seed=seed)
    first = {entry.patient_id: entry for entry in reversed(made.entries(None))}
    for number, entry in enumerate(reversed(first.values()), start=1):
        codes = [SNOMED[label] for condition in entry.labels["conditions"] for label in FINDINGS[condition]]
        adc = made.read(entry, None).adc
        if number == 3:
            adc[9] = 0
        mark = "# " if number % 4 == 0 else "#"
        age = "NaN" if number == 2 else f"{entry.age:.0f}"
        comments = [f"Age: {age}", f"Sex: {(entry.sex or 'unknown').capitalize()}"]
        comments += [f"Dx: {','.join([*codes, UNKNOWN_CODES[number % 2]])}", "Rx: Unknown"]
        folder = root / "WFDBRecords" / f"{number // 1000 + 1:02d}" / f"{number // 100 + 10:03d}"
        gain = "1000.0(0)/mV" if mark == "# " else "1000/mV"
        comments = [f"{mark}{comment}" for comment in comments]
        write_record(folder / f"JS{number:05d}", adc, rate, gain=gain, comments=comments, matlab=True)
    return len(first)
