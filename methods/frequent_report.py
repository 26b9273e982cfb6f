"""Frequent report: baseline that writes the most frequent training report for every recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from benchmark.api import BlindMethod, MethodCard
from benchmark.errors import UsageError
from benchmark.registry import METHODS


@METHODS.register("frequent_report")
class FrequentReport(BlindMethod):
    """Writes one report for all recordings; of equally frequent reports, the first in the alphabet."""

    card: ClassVar[MethodCard] = MethodCard(
        title="Most frequent report",
        paper="baseline",
        licence="MIT",
        is_baseline=True,
        note="Strong where reports follow templates: a method that does not beat it says nothing about the recordings.",
    )

    def __init__(self) -> None:
        self.report: str | None = None

    def start_reporting(self, reports: Sequence[str]) -> None:
        """Find the most frequent report."""
        counts = Counter(reports)
        self.report = min(counts, key=lambda text: (-counts[text], text))

    def write_reports(self, ecg: Tensor) -> list[str]:
        """Return the same report for each recording of ``(batch, lead, time)``."""
        if self.report is None:
            raise UsageError("frequent_report has seen no training reports (start_reporting)")
        return [self.report] * len(ecg)
