"""Which way round a printed table is: methods as lines, or, where columns are many, methods as columns.

Thirteen conditions beside each other do not fit a page, below each other they do. The marks keep their meaning: they
compare the methods within one question. The page stays as it is, since it scrolls and sorts methods by a column.
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
    """Titles of the printed columns, that of the first included."""
    if is_transposed(table):
        return [table.metric or "question", *table.rows, *(f"{row} (baseline)" for row in table.baselines)]
    return ["method", *table.columns]


def lines(table: Table) -> list[Line]:
    """Printed lines above the baselines' rule; baselines have a place among the columns where methods do."""
    if is_transposed(table):
        return [Line(column, [(row, column) for row in table.all_rows]) for column in table.columns]
    return [_of_row(table, row) for row in table.rows]


def baseline_lines(table: Table) -> list[Line]:
    return [] if is_transposed(table) else [_of_row(table, row) for row in table.baselines]


def _of_row(table: Table, row: str) -> Line:
    return Line(row, [(row, column) for column in table.columns])
