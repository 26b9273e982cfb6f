"""A baseline of report generation: a training report drawn at random for each recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from torch import Tensor

from benchmark.api import BlindMethod, MethodCard
from benchmark.errors import UsageError
from benchmark.registry import METHODS


@METHODS.register("random_report")
class RandomReport(BlindMethod):
    """Draws with `seed`, evenly over training recordings, so that frequent reports come as often as they are."""

    card: ClassVar[MethodCard] = MethodCard(
        title="Random training report",
        paper="baseline",
        licence="MIT",
        is_baseline=True,
        note="What reports have in common by being reports of one dataset, whatever the recording shows.",
    )

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.reports: list[str] = []

    def start_reporting(self, reports: Sequence[str]) -> None:
        """Keep them, and draw from the start."""
        self.reports = list(reports)
        self.draws = np.random.default_rng(self.seed)

    def write_reports(self, ecg: Tensor) -> list[str]:
        """``(batch, lead, time)`` -> a drawn report each."""
        if not self.reports:
            raise UsageError("random_report has seen no training reports (start_reporting)")
        return [self.reports[row] for row in self.draws.integers(len(self.reports), size=len(ecg))]
