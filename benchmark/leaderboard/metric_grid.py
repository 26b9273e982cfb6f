"""Grids of a task's further metrics: rows and metrics, one grid per column.

There are no marks and no tests: among ten metrics a row leads in one by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean

from benchmark.inert import markdown_row, markdown_text
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard


@dataclass(frozen=True)
class MetricGrid:
    """One column of a table in all its metrics; `rows` maps a row to a value per metric, None where it has none."""

    table: Table
    column: str
    metrics: tuple[str, ...]
    rows: dict[str, list[float | None]]

    @property
    def title(self) -> str:
        return f"{self.table.title}: {self.table.look.column(self.column)}, all metrics"


def grids(board: Leaderboard) -> Iterator[MetricGrid]:
    """Return a grid for every column of a task with `grid_metrics`; metrics that no row has are left out."""
    for table in board.tables:
        grid_metrics = table.facts.grid_metrics
        for column in table.columns if grid_metrics else ():
            entries = {row: table.body[row, column] for row in table.all_rows if (row, column) in table.body}
            metrics = tuple(
                name for name in grid_metrics if any(_mean(entry, name) is not None for entry in entries.values())
            )
            rows = {row: [_mean(entry, name) for name in metrics] for row, entry in entries.items() if entry.results}
            if rows and metrics:
                yield MetricGrid(table, column, metrics, rows)


def _mean(entry: Entry, metric: str) -> float | None:
    """Return the mean over seeds."""
    values = [result.metrics[metric] for result in entry.results if metric in result.metrics]
    return mean(values) if values else None


def _numbers(grid: MetricGrid, values: list[float | None]) -> list[str]:
    look = grid.table.look
    return [
        "–" if value is None else look.number(value, name) for name, value in zip(grid.metrics, values, strict=True)
    ]


def markdown(grid: MetricGrid) -> str:
    """Return a section of the leaderboard's Markdown file."""
    head = ["method", *(markdown_text(_title(grid.table, name)) for name in grid.metrics)]
    lines = [markdown_row(head), markdown_row(["---"] * len(head))]
    look = grid.table.look
    for row, values in grid.rows.items():
        name = markdown_text(look.row(row)) + (" *(baseline)*" if row in grid.table.baselines else "")
        lines.append(markdown_row([name, *_numbers(grid, values)]))
    return f"## {markdown_text(grid.title)}\n\n" + "\n".join(lines)


def _title(table: Table, metric: str) -> str:
    """Return a metric's name for readers; one with a unit, or of which less is better, says so."""
    facts = table.facts
    is_directed = metric == facts.primary and not facts.higher_is_better
    return table.directed_metric if is_directed else table.look.metric_name(metric)
