"""Random report: baseline that draws a training report at random for each recording."""

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
    """Draws with `seed`, uniformly over training recordings, so that frequent reports are drawn more often."""

    card: ClassVar[MethodCard] = MethodCard(
        title="Random training report",
        paper="baseline",
        licence="MIT",
        is_baseline=True,
        note="Its scores show how similar the reports of one dataset are, whatever the recordings show.",
    )

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.reports: list[str] = []

    def start_reporting(self, reports: Sequence[str]) -> None:
        """Store the training reports and reset the random draws."""
        self.reports = list(reports)
        self.draws = np.random.default_rng(self.seed)

    def write_reports(self, ecg: Tensor) -> list[str]:
        """Return a random training report for each recording of ``(batch, lead, time)``."""
        if not self.reports:
            raise UsageError("random_report has seen no training reports (start_reporting)")
        return [self.reports[row] for row in self.draws.integers(len(self.reports), size=len(ecg))]
