"""Notes below the tables on the analyses that records hold beside their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.leaderboard.table import Table


def sensitivity_notes(tables: Sequence[Table]) -> list[str]:
    """Return a line per zero-shot entry on how much the wording of prompts moves it."""
    lines = []
    for table in tables:
        for (row, column), entry in table.body.items():
            for result in entry.results:
                phrases = result.analysis.get("single_phrases")
                if phrases:
                    where = f"{table.title}, {table.look.column(column)}, {table.look.row(row)}"
                    numbers = "{min:.3f} to {max:.3f} (sd {sd:.3f}, ".format(**phrases)
                    lines.append(f"{where}: one phrase per class gives {numbers}{len(phrases['values'])} wordings).")
    return lines


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
