"""Small copies of databases of the Challenge 2021 in their original layout, from synthetic recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.datasets.challenge2021.codes import CPSC2018_EXTRA, GEORGIA, PTB, SNOMED
from benchmark.datasets.synthetic import Synthetic
from benchmark.testing.records import write_record

FINDINGS = {  # synthetic condition -> plausible diagnoses; each database takes those that it has
    "NORM": ("NSR",),
    "STACH": ("STach",),
    "SBRAD": ("SB", "NSR"),
    "AFIB": ("AF",),
    "1AVB": ("IAVB", "CD"),
    "CLBBB": ("LBBB", "BBB"),
    "CRBBB": ("RBBB", "BBB"),
    "ASTE": ("STE", "MI"),
    "ISTE": ("STE", "MI"),
    "LSTD": ("STD", "CHD"),
    "LVHT": ("LVH", "VH"),
    "PVB": ("VPB", "CD"),
    "PAB": ("SVPB", "CD"),
}
DATABASES = {  # name -> folder, names of recordings, rate in Hz, classes
    "ptb": ("ptb", "S{:04d}", 1000, PTB),
    "georgia": ("georgia", "E{:05d}", 500, GEORGIA),
    "cpsc2018_extra": ("cpsc_2018_extra", "Q{:04d}", 500, CPSC2018_EXTRA),
}


def write_challenge2021(root: Path, name: str, patients: int = 12, seed: int = 0, seconds: float = 10) -> int:
    """Write ``training/FOLDER/g1`` with one recording per patient of the database called `name`; return their number.

    Gains and spellings of comments vary as in the real files: 1000 and 4880 per millivolt, ages that are no number.
    """
    folder, names, rate, classes = DATABASES[name]
    dataset = Synthetic(rate=rate, patients=patients, seed=seed, seconds=seconds)
    first = {entry.patient_id: entry for entry in reversed(dataset.entries(None))}
    for number, entry in enumerate(reversed(first.values()), start=1):
        diagnoses = [d for condition in entry.labels["conditions"] for d in FINDINGS[condition] if d in classes]
        gain = 4880 if number % 2 == 0 else 1000
        adc = np.round(dataset.read(entry, None).adc * (gain / 1000)).astype(np.int16)
        comments = [
            f"#Age: {'NaN' if number == 2 else f'{entry.age:.0f}'}",
            f"#Sex: {(entry.sex or 'Unknown').title()}",
        ]
        comments += [f"#Dx: {','.join(SNOMED[diagnosis] for diagnosis in dict.fromkeys(diagnoses))}", "#Rx: Unknown"]
        stem = root / "training" / folder / f"g{number // 1000 + 1}" / names.format(number)
        write_record(stem, adc, rate, gain=f"{gain}.0(0)/mV", comments=comments, matlab=True)
    return len(first)
