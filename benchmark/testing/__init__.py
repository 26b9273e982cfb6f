"""Fakes and contract checks, part of the package so that authors of plug-ins can use them.

`write_ptbxl`, `write_cpsc2018`, `write_csn`, `write_mimic_iv_ecg`, `write_challenge2021`, `write_sph` and
`write_code15` write small datasets of synthetic recordings in their original layouts. `FakeMethod` is the cheapest
possible method. `check_method` checks a method against the contract of `benchmark.api`; `method_checks`, `task_checks`
and `dataset_checks` (from `benchmark.contract`) return single checks, for ``pytest.mark.parametrize``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.api import AlignedMethod, MethodCard, SignalSpec
from benchmark.contract.datasets import dataset_checks
from benchmark.contract.methods import check_method, method_checks, sample_recordings
from benchmark.contract.tasks import task_checks
from benchmark.testing.challenge2021 import write_challenge2021
from benchmark.testing.code15 import write_code15
from benchmark.testing.cpsc2018 import write_cpsc2018
from benchmark.testing.csn import write_csn
from benchmark.testing.folder import write_folder
from benchmark.testing.mimic_iv_ecg import write_mimic_diagnoses, write_mimic_iv_ecg
from benchmark.testing.ptbxl import write_ptbxl
from benchmark.testing.records import write_record
from benchmark.testing.sph import write_sph

__all__ = [
    "FakeMethod",
    "check_method",
    "dataset_checks",
    "method_checks",
    "sample_recordings",
    "task_checks",
    "write_challenge2021",
    "write_code15",
    "write_cpsc2018",
    "write_csn",
    "write_folder",
    "write_mimic_diagnoses",
    "write_mimic_iv_ecg",
    "write_ptbxl",
    "write_record",
    "write_sph",
]


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
