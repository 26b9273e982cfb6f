"""A baseline of report generation: the most frequent report of the training split, for every recording."""

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
    """Says the same of everything; of equally frequent reports, the first in the alphabet."""

    card: ClassVar[MethodCard] = MethodCard(
        title="Most frequent report",
        paper="baseline",
        licence="MIT",
        is_baseline=True,
        note="Templated reports make it strong: whoever does not beat it has said nothing about the recordings.",
    )

    def __init__(self) -> None:
        self.report: str | None = None

    def start_reporting(self, reports: Sequence[str]) -> None:
        """Count them."""
        counts = Counter(reports)
        self.report = min(counts, key=lambda text: (-counts[text], text))

    def write_reports(self, ecg: Tensor) -> list[str]:
        """``(batch, lead, time)`` -> the one report, `batch` times."""
        if self.report is None:
            raise UsageError("frequent_report has seen no training reports (start_reporting)")
        return [self.report] * len(ecg)
