"""A small Chapman-Shaoxing-Ningbo in its original layout, from synthetic recordings."""

from __future__ import annotations

from pathlib import Path

from benchmark.datasets.csn import SNOMED
from benchmark.datasets.synthetic import Synthetic
from benchmark.testing.records import write_record

FINDINGS = {  # synthetic condition -> plausible classes of the dataset
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
UNKNOWN_CODES = ("55827005", "426177001")  # a code missing from its own table, and one without a class


def write_csn(root: Path, patients: int = 20, seed: int = 0, rate: int = 500) -> int:
    """Write one synthetic recording per patient under ``WFDBRecords/``; return their number.

    It reproduces oddities of the dataset: both spellings of the comments (``#Dx:`` and ``# Dx:``), unknown codes, an
    age that is no number and a flat lead. A `rate` below the dataset's 500 Hz is for tests that only read headers.
    """
    dataset = Synthetic(rate=rate, patients=patients, seed=seed)
    first = {entry.patient_id: entry for entry in reversed(dataset.entries(None))}
    for number, entry in enumerate(reversed(first.values()), start=1):
        codes = [SNOMED[label] for condition in entry.labels["conditions"] for label in FINDINGS[condition]]
        adc = dataset.read(entry, None).adc
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
