"""Orientation of printed tables: methods are lines, or columns where a table has many columns.

Thirteen conditions fit a page below but not beside each other. Marks keep their meaning: they compare methods within
one question. The HTML page is never transposed, since it scrolls and sorts methods by a column.
"""

from __future__ import annotations

from typing import NamedTuple

from benchmark.leaderboard.published_rows import PublishedRow
from benchmark.leaderboard.table import Table

MANY = 8  # columns; more do not fit the width of a page
TRANSPOSED = "Methods are columns here: marks compare along a line."


class Line(NamedTuple):
    """A printed line: its title, the (row, column) of each of its entries, and the published numbers behind them."""

    title: str
    places: list[tuple[str, str]]
    published: tuple[str, ...] = ()  # only in a transposed table
    row: str = ""  # empty in a transposed table


def is_transposed(table: Table) -> bool:
    """Whether methods are columns."""
    return len(table.columns) > MANY and len(table.all_rows) < len(table.columns)


def head(table: Table) -> list[str]:
    """Return the titles of the printed columns, including the first."""
    look = table.look
    if is_transposed(table):
        baselines = (f"{look.row(row)} (baseline)" for row in table.baselines)
        published = (f"{row.title}, published" for row in table.published)
        return [table.metric or "question", *map(look.row, table.rows), *baselines, *published]
    return ["method", *map(look.column, table.columns)]


def lines(table: Table) -> list[Line]:
    """Return the lines above the baselines' rule; in a transposed table baselines are columns too."""
    if is_transposed(table):
        return [
            Line(table.look.column(column), [(row, column) for row in table.all_rows], published_texts(table, column))
            for column in table.columns
        ]
    return [_of_row(table, row) for row in table.rows]


def baseline_lines(table: Table) -> list[Line]:
    return [] if is_transposed(table) else [_of_row(table, row) for row in table.baselines]


def published_lines(table: Table) -> list[tuple[str, list[str]]]:
    """Return title and texts of each published row; in a transposed table they are columns."""
    if is_transposed(table):
        return []
    return [(row.title, [_published(table, row, column) for column in table.columns]) for row in table.published]


def published_texts(table: Table, column: str) -> tuple[str, ...]:
    return tuple(_published(table, row, column) for row in table.published)


def _published(table: Table, row: PublishedRow, column: str) -> str:
    return table.look.number(row.values[column], table.metric_name) if column in row.values else "–"


def _of_row(table: Table, row: str) -> Line:
    return Line(table.look.row(row), [(row, column) for column in table.columns], row=row)
