"""A small PTB-XL in its original layout, from synthetic recordings."""

from __future__ import annotations

from pathlib import Path

from benchmark.api import LEADS
from benchmark.datasets.synthetic import Synthetic
from benchmark.testing.records import write_record

PTBXL_LEADS = tuple(lead.upper() if lead.startswith("a") else lead for lead in LEADS)  # PTB-XL writes AVR, AVL, AVF

# synthetic condition -> plausible SCP statements of PTB-XL
STATEMENTS = {
    "NORM": ("NORM", "SR"),
    "STACH": ("STACH",),
    "SBRAD": ("SBRAD",),
    "AFIB": ("AFIB",),
    "1AVB": ("1AVB", "LPR"),
    "CLBBB": ("CLBBB",),
    "CRBBB": ("CRBBB",),
    "ASTE": ("AMI", "STE_"),
    "ISTE": ("IMI", "STE_"),
    "LSTD": ("ISCLA", "STD_"),
    "LVHT": ("LVH", "VCLVH"),
    "PVB": ("PVC",),
    "PAB": ("PAC",),
}
SCP_TABLE = """,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NORM,1.0,,,NORM,NORM
1AVB,1.0,,,CD,_AVB
CLBBB,1.0,,,CD,CLBBB
CRBBB,1.0,,,CD,CRBBB
AMI,1.0,,,MI,AMI
IMI,1.0,,,MI,IMI
ISCLA,1.0,,,STTC,ISCA
LVH,1.0,,,HYP,LVH
LPR,,1.0,,,
STE_,,1.0,,,
STD_,,1.0,,,
VCLVH,,1.0,,,
PVC,,1.0,,,
PAC,,1.0,,,
SR,,,1.0,,
STACH,,,1.0,,
SBRAD,,,1.0,,
AFIB,,,1.0,,
"""


def write_ptbxl(root: Path, patients: int = 40, seed: int = 0) -> int:
    """Write a synthetic PTB-XL at 100 Hz (tables, headers, signals) under `root`; return the number of recordings."""
    import pandas as pd

    dataset = Synthetic(rate=100, patients=patients, seed=seed)
    folds = {"train": 1, "val": 9, "test": 10}
    rows = []
    for number, entry in enumerate(dataset.entries(None), start=1):
        name = f"records100/{number // 1000 * 1000:05d}/{number:05d}_lr"
        write_record(root / name, dataset.read(entry, None).adc, leads=PTBXL_LEADS)
        codes = {code: 100.0 for label in entry.labels["conditions"] for code in STATEMENTS[label]}
        rows.append(
            {
                "ecg_id": number,
                "patient_id": f"{100 + int(''.join(filter(str.isdigit, entry.patient_id)) or 0)}.0",
                "age": "" if entry.age is None else f"{entry.age:.1f}",
                "sex": {"male": "0", "female": "1"}.get(entry.sex or "", ""),
                "report": entry.report,
                "device": "SIM-12   E" if number % 2 else "SIM-6",
                "scp_codes": repr(codes),
                "strat_fold": folds[entry.split] if entry.split != "train" else 1 + number % 8,
                "filename_lr": name,
                "filename_hr": name.replace("records100", "records500").replace("_lr", "_hr"),
                "heart_axis": ("", "MID", "LAD")[number % 3],
                "infarction_stadium1": ("", "unknown", "Stadium II", "Stadium III")[number % 4],
                "infarction_stadium2": "",
                "baseline_drift": " , V6" if number % 5 == 0 else "",
                "static_noise": " , I-AVR,  " if number % 7 == 0 else "",
                "burst_noise": "alles" if number % 11 == 0 else "",
                "electrodes_problems": "",
            }
        )
    pd.DataFrame(rows).to_csv(root / "ptbxl_database.csv", index=False)
    (root / "scp_statements.csv").write_text(SCP_TABLE, "utf-8")
    return len(rows)
