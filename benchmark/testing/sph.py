"""A small SPH in its original layout, from synthetic recordings; it needs h5py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.datasets.sph import AHA
from benchmark.datasets.synthetic import Synthetic

FINDINGS = {  # synthetic condition -> a statement with its modifiers
    "NORM": "1",
    "STACH": "21",
    "SBRAD": "22",
    "AFIB": "50+346",
    "1AVB": "82",
    "CLBBB": "104",
    "CRBBB": "106",
    "ASTE": "165+331",
    "ISTE": "161",
    "LSTD": "145+363",
    "LVHT": "142",
    "PVB": "60+310",
    "PAB": "30",
}
MODIFIERS = ("310", "331", "346", "363")
LENGTHS = (10, 11, 14)  # seconds


def write_sph(root: Path, patients: int = 12, seed: int = 0) -> int:
    """Write ``metadata.csv``, ``code.csv`` and ``records/``; return the number of recordings.

    Every recording of a synthetic patient becomes one, so patients repeat; the first one lists its statement twice.
    """
    import h5py

    (root / "records").mkdir(parents=True)
    codes = ["Category,Code,Description", *(f'A,{code},"{name}, by name"' for name, code in AHA.items())]
    codes += [f"Modifier,{code},qualifies" for code in MODIFIERS]
    rows = ["ECG_ID,AHA_Code,Patient_ID,Age,Sex,N,Date"]
    index = Synthetic(patients=patients, seed=seed).entries(None)
    for number, entry in enumerate(index, start=1):
        dataset = Synthetic(rate=500, patients=patients, seed=seed, seconds=LENGTHS[number % len(LENGTHS)])
        millivolt = dataset.read(entry, None).adc / 1000
        with h5py.File(root / "records" / f"A{number:05d}.h5", "w") as file:
            file["ecg"] = millivolt.astype(np.float16)
        statements = [FINDINGS[condition] for condition in entry.labels["conditions"]]
        text = ";".join([*statements, *statements[: number == 1]])
        sex = "F" if entry.sex == "female" else "M"
        person = f"S{int(entry.patient_id):05d},{entry.age:.0f},{sex}"
        rows.append(f"A{number:05d},{text},{person},{millivolt.shape[1]},2019-08-01")
    (root / "code.csv").write_text("\n".join(codes) + "\n", "utf-8")
    (root / "metadata.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return len(index)
