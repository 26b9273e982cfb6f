"""Notes below the tables on the analyses that records hold beside their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.leaderboard.table import Table


def sensitivity_notes(tables: Sequence[Table]) -> list[str]:
    """Return a line per zero-shot entry on how much the wording of prompts moves it, over all its trainings."""
    lines = []
    for table in tables:
        for (row, column), entry in table.body.items():
            analyses = [phrases for r in entry.results if (phrases := r.analysis.get("single_phrases"))]
            if analyses:
                where = f"{table.title}, {table.look.column(column)}, {table.look.row(row)}"
                lines.append(f"{where}: one phrase per class gives {_spread(analyses, entry.trainings)}.")
    return lines


def _spread(analyses: list[dict[str, Any]], trainings: int) -> str:
    """Return the range over wordings, and their standard deviation within a training."""
    low, high = min(part["min"] for part in analyses), max(part["max"] for part in analyses)
    sd = fmean(part["sd"] for part in analyses)
    over = f", {trainings} trainings" if trainings > 1 else ""
    return f"{low:.3f} to {high:.3f} (sd {sd:.3f}, {len(analyses[0]['values'])} wordings{over})"


def chance_notes(tables: Sequence[Table]) -> list[str]:
    """Return the chance level of each table whose task defines one."""
    lines = {
        f"{table.title}: chance is {level:.3f} ({table.axis})."
        for table in tables
        for entry in table.body.values()
        for result in entry.results
        if (level := result.analysis.get("chance", {}).get(result.primary)) is not None
    }
    return sorted(lines)
