"""The column that a figure shows where it shows a single one, and what the entries of a table differ in beside it."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.leaderboard.summary import SIGNAL, Entry, varying
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.words import further_words

BUDGETS = ("fraction", "shots")  # fields that say how many labels are learnt from


def by_labels(table: Table) -> list[str]:
    """Return the columns, that with the most labels first; those under a condition of the signals come last.

    Of equally many labels the column comes first that most rows have, then the later one.
    """
    entries = {column: [e for (_, name), e in table.body.items() if name == column] for column in table.columns}

    def order(column: str) -> tuple[bool, float, int, int]:
        first, count = entries[column][0], sum(bool(entry.values) for entry in entries[column])
        return SIGNAL not in first.variant, budget(first), count, table.columns.index(column)

    return sorted(table.columns, key=order, reverse=True)


def recorded(table: Table) -> list[str]:
    """Return the columns on recordings as they are, in the order of `by_labels`."""
    conditioned = {column for (_, column), entry in table.body.items() if SIGNAL in entry.variant}
    return [column for column in by_labels(table) if column not in conditioned]


def budget(entry: Entry) -> float:
    """Return the label fraction, or the examples of a class; 0 for a task that has neither field."""
    return next((float(entry.variant[name]) for name in BUDGETS if name in entry.variant), 0.0)


def beside(entries: Sequence[Entry], entry: Entry, *axes: str) -> str:
    """Return the fields in which `entries` differ and that are none of `axes`, with those of `entry`.

    ``layer tokens``, or "" where they differ in nothing else.
    """
    names = [name for name in varying(list(entries)) if name not in (*axes, SIGNAL)]
    words = (further_words(name, entry.variant[name]) for name in names if name in entry.variant)
    return ", ".join(text for text in words if text)
