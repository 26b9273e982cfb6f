"""Fakes and contract checks; they ship with the package, so that authors of plug-ins use the same ones.

`write_ptbxl` makes a small PTB-XL in its original layout out of synthetic recordings, `FakeMethod` is the
cheapest method there can be, and `check_method` holds a method to the contract of `benchmark.api` (in
`benchmark.contract`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.api import LEADS, AlignedMethod, MethodCard, SignalSpec
from benchmark.contract import check_method, sample_recordings
from benchmark.datasets.synthetic import Synthetic

__all__ = ["FakeMethod", "check_method", "sample_recordings", "write_ptbxl"]

PTBXL_LEADS = tuple(lead.upper() if lead.startswith("a") else lead for lead in LEADS)  # PTB-XL writes AVR, AVL, AVF

# synthetic condition -> SCP statements that PTB-XL might give it
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
    """Write a synthetic PTB-XL at 100 Hz (tables, headers, signals) under `root`; return how many recordings."""
    import pandas as pd

    made = Synthetic(rate=100, patients=patients, seed=seed)
    folds = {"train": 1, "val": 9, "test": 10}
    rows = []
    for number, entry in enumerate(made.entries(None), start=1):
        name = f"records100/{number // 1000 * 1000:05d}/{number:05d}_lr"
        _write_record(root / name, made.read(entry, None).adc)
        codes = {code: 100.0 for label in entry.labels["conditions"] for code in STATEMENTS[label]}
        rows.append(
            {
                "ecg_id": number,
                "patient_id": f"{100 + int(''.join(filter(str.isdigit, entry.patient_id)) or 0)}.0",
                "age": "" if entry.age is None else f"{entry.age:.1f}",
                "sex": {"male": "0", "female": "1"}.get(entry.sex or "", ""),
                "report": entry.report,
                "scp_codes": repr(codes),
                "strat_fold": folds[entry.split] if entry.split != "train" else 1 + number % 8,
                "filename_lr": name,
                "filename_hr": name.replace("records100", "records500").replace("_lr", "_hr"),
            }
        )
    pd.DataFrame(rows).to_csv(root / "ptbxl_database.csv", index=False)
    (root / "scp_statements.csv").write_text(SCP_TABLE, "utf-8")
    return len(rows)


def _write_record(stem: Path, adc: np.ndarray) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(f"{stem.name}.dat").write_bytes(adc.T.astype("<i2").tobytes())
    lines = [f"{stem.name} 12 100 {adc.shape[1]}"]
    for lead, samples in zip(PTBXL_LEADS, adc, strict=True):
        checksum = int(samples.sum(dtype=np.int64)) & 0xFFFF
        lines.append(f"{stem.name}.dat 16 1000.0(0)/mV 16 0 {samples[0]} {checksum} 0 {lead}")
    stem.with_name(f"{stem.name}.hea").write_text("\n".join(lines) + "\n", "utf-8")


class FakeMethod(AlignedMethod):
    """Mean, spread and extremes of each lead; texts become counts of letters. No weights, no training."""

    card = MethodCard(title="Fake", paper="none", licence="the project's own code")

    def __init__(self, rate: float = 100.0) -> None:
        self.rate = rate

    @property
    def signal(self) -> SignalSpec:
        return SignalSpec(rate=self.rate)

    def ecg_features(self, ecg: Tensor) -> Tensor:
        return torch.cat([ecg.mean(-1), ecg.std(-1), ecg.amin(-1), ecg.amax(-1)], dim=-1)

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        return self.ecg_features(ecg)[:, :26]

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        counts = [[text.lower().count(chr(ord("a") + letter)) for letter in range(26)] for text in texts]
        return torch.tensor(counts, dtype=torch.float32) + 0.1
