"""CPSC-Extra: 3,453 recordings of 6 to 60 s at 500 Hz that the China Physiological Signal Challenge 2018 left unused.

Perez Alday et al., Physiological Measurement 2020, doi 10.1088/1361-6579/abc960; Reyna et al., CinC 2021. The
organisers say that they are neither the training nor the test recordings of CPSC2018. They come from the same
hospitals, and no patient is known: whether some have recordings in both is not said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from benchmark.api import DatasetCard
from benchmark.datasets.challenge2021.codes import CPSC2018_EXTRA as CLASSES
from benchmark.datasets.challenge2021.loader import (
    COLLECTIONS,
    LICENCE,
    SOURCE,
    ChallengeDataset,
    label_sets_of,
    remedy_of,
)
from benchmark.registry import DATASETS


@DATASETS.register("cpsc2018_extra")
class CPSC2018Extra(ChallengeDataset):
    """Split by recording with `split_seed`: no patient is known, nor whether any has several recordings."""

    card = DatasetCard(
        title="CPSC-Extra (unused recordings of the China Physiological Signal Challenge 2018)",
        source=SOURCE.format("cpsc_2018_extra"),
        licence=LICENCE,
        derives_from=COLLECTIONS,
        recordings=3453,
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = label_sets_of(CLASSES)
    rate = 500.0
    seconds = 16.0
    remedy = remedy_of("cpsc_2018_extra", "Q0001")
    pattern = r"Q\d{4}"
