"""Notes on numbers without an interval or a test because patients have no spread to judge by.

All resamples are equal where test has one patient, or so few that records keep none, and where a score is perfect or a
prediction constant. A test of that would have a standard error of 0, and separate anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.leaderboard.table import Table


def spread_notes(tables: Sequence[Table]) -> list[str]:
    """Return which numbers have no interval, and which columns have their best marked without a test."""
    flat = [
        f"{table.look.row(row)} ({_place(table, column)})"
        for table in tables
        for (row, column), entry in table.body.items()
        if entry.values and entry.is_flat
    ]
    untested = [_place(table, column) for table in tables for column in table.columns if _lacks_spread(table, column)]
    lines = []
    if flat:
        lines.append(f"No interval, since the number is the same on all resamples of patients: {'; '.join(flat)}.")
    if untested:
        places = "; ".join(untested)
        lines.append(
            f"Best marked without a test, since patients are too few or too alike to judge a difference by: {places}."
        )
    return lines


def _place(table: Table, column: str) -> str:
    return f"{table.title}, {table.look.column(column)}"


def _lacks_spread(table: Table, column: str) -> bool:
    return bool(table.rankings[column].best) and table.rankings[column].no_spread
