"""PTB (PTB Diagnostic ECG Database, as the Challenge 2021 has it): 516 recordings of up to two minutes at 1000 Hz.

Bousseljot, Kreiseler, Schnabel, "Nutzung der EKG-Signaldatenbank CARDIODAT der PTB über das Internet", Biomedizinische
Technik 1995; the copy: Reyna et al., CinC 2021. The original has 549 recordings of 290 patients, with 15 leads. The
copy has 516 of them with 12 leads, new names and SNOMED codes of the reason for admission, and hides the patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from benchmark.api import DatasetCard
from benchmark.datasets.challenge2021.codes import PTB as CLASSES
from benchmark.datasets.challenge2021.loader import (
    COLLECTIONS,
    LICENCE,
    SOURCE,
    ChallengeDataset,
    label_sets_of,
    remedy_of,
)
from benchmark.registry import DATASETS

HIDDEN_PATIENTS = "patients are hidden and many have several recordings: some of them are in train and in test alike"


@DATASETS.register("ptb")
class PTB(ChallengeDataset):
    """Split by recording with `split_seed`, since the copy hides the patients: its numbers are too good."""

    card = DatasetCard(
        title="PTB Diagnostic ECG Database, copy of the PhysioNet/CinC Challenge 2021",
        source=SOURCE.format("ptb"),
        licence=LICENCE,
        derives_from=COLLECTIONS,
        recordings=516,
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = label_sets_of(CLASSES)
    rate = 1000.0
    seconds = 120.0
    remedy = remedy_of("ptb", "S0001")
    pattern = r"S\d{4}"
    warnings = (HIDDEN_PATIENTS,)
