"""Georgia (G12EC): 10,344 recordings of 10 s at 500 Hz, of the Challenges 2020 and 2021.

Perez Alday et al., "Classification of 12-lead ECGs: the PhysioNet/Computing in Cardiology Challenge 2020",
Physiological Measurement 2020, doi 10.1088/1361-6579/abc960; Reyna et al., CinC 2021. It has no release of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from benchmark.api import DatasetCard
from benchmark.datasets.challenge2021.codes import GEORGIA as CLASSES
from benchmark.datasets.challenge2021.loader import (
    COLLECTIONS,
    LICENCE,
    SOURCE,
    ChallengeDataset,
    label_sets_of,
    remedy_of,
)
from benchmark.registry import DATASETS


@DATASETS.register("georgia")
class Georgia(ChallengeDataset):
    """Split by recording with `split_seed`: no patient is known, nor whether any has several recordings."""

    card = DatasetCard(
        title="Georgia 12-lead ECG Challenge Database (G12EC)",
        source=SOURCE.format("georgia"),
        licence=LICENCE,
        derives_from=COLLECTIONS,
        recordings=10344,
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = label_sets_of(CLASSES)
    rate = 500.0
    remedy = remedy_of("georgia", "E00001")
    pattern = r"E\d{5}"
