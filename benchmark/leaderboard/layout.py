"""Orientation of printed tables: methods are lines, or columns where a table has many columns.

Thirteen conditions fit a page below but not beside each other. Marks keep their meaning: they compare methods within
one question. The HTML page is never transposed, since it scrolls and sorts methods by a column.
"""

from __future__ import annotations

from typing import NamedTuple

from benchmark.leaderboard.tables import Table

MANY = 8  # columns; more do not fit the width of a page
TRANSPOSED = "Methods are columns here: marks compare along a line."


class Line(NamedTuple):
    """A printed line: its title, and the (row, column) of each of its entries."""

    title: str
    places: list[tuple[str, str]]


def is_transposed(table: Table) -> bool:
    """Whether methods are columns."""
    return len(table.columns) > MANY and len(table.all_rows) < len(table.columns)


def head(table: Table) -> list[str]:
    """Return the titles of the printed columns, including the first."""
    if is_transposed(table):
        return [table.metric or "question", *table.rows, *(f"{row} (baseline)" for row in table.baselines)]
    return ["method", *table.columns]


def lines(table: Table) -> list[Line]:
    """Return the lines above the baselines' rule; in a transposed table baselines are columns too."""
    if is_transposed(table):
        return [Line(column, [(row, column) for row in table.all_rows]) for column in table.columns]
    return [_of_row(table, row) for row in table.rows]


def baseline_lines(table: Table) -> list[Line]:
    return [] if is_transposed(table) else [_of_row(table, row) for row in table.baselines]


def _of_row(table: Table, row: str) -> Line:
    return Line(row, [(row, column) for column in table.columns])
