"""Reliability diagrams: predicted against observed frequency, over all classes and seeds, at the largest fraction.

A panel per label set with a line per method, or, where methods are many, a panel per method with a line per label set:
good methods lie on the diagonal and hide each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from benchmark.leaderboard.figures.columns import BUDGETS, beside, recorded
from benchmark.leaderboard.figures.dots import MANY
from benchmark.leaderboard.figures.style import (
    SMALLEST,
    describe,
    grid,
    legend_above,
    looks,
    rows_of,
    stamp,
    styled,
    wrapped,
)
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard

PART = "reliability"
MOST = 4  # panels beside each other
CAPTION = (
    "Calibration: how often predictions came true, against their probability; bins over all classes and seeds, at the "
    "largest label fraction."
)
FEWEST = 20  # a bin with fewer predictions says little and is not drawn


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    pairs = [(table, entries) for table in board.tables if (entries := _entries(table))]
    panels = {_title(table, entries): entries for table, entries in pairs}
    if not panels:
        return "no record keeps the bins of its probabilities"
    rows = [row for row in rows_of(board) if any(row in entries for entries in panels.values())]
    with styled():
        if len(rows) > MANY:
            by_row = {
                row: {name: table_entries[row] for name, table_entries in panels.items() if row in table_entries}
                for row in rows
            }
            by_name = {board.look.row(row): panel for row, panel in by_row.items()}
            figure = _figure(by_name, looks(list(panels)), str)
        else:
            figure = _figure(panels, looks(rows_of(board)), board.look.row)
        stamp(figure, board)
    return {"calibration": describe(figure, CAPTION)}


def _figure(
    panels: dict[str, dict[str, Entry]], look: dict[str, dict[str, Any]], label: Callable[[str], str]
) -> Figure:
    """Draw one panel per title and one line per name."""
    many = len(panels) > MOST
    most = MOST if many else 2
    figure, axes = grid(len(panels), 1.75 if many else 2.6, most, share=True)
    room = figure.get_figwidth() / min(most, len(panels)) - 0.4
    for axis, (title, entries) in zip(axes, panels.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
        for name, entry in entries.items():
            axis.plot(*_curve(entry), label=label(name), markersize=4, linewidth=1.2, **look[name])
        axis.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axis.set_title(wrapped(title, room), fontsize=SMALLEST)
    for axis in axes[-most:]:
        axis.set_xlabel("mean probability")
        axis.tick_params(labelbottom=True)
    for axis in axes[::most]:
        axis.set_ylabel("share that came true")
    legend_above(figure, axes)
    return figure


def _entries(table: Table) -> dict[str, Entry]:
    """Return each row's entry in the column with the most labels on unperturbed recordings whose records hold bins."""
    for column in recorded(table):
        entries = {row: table.body[row, column] for row in table.all_rows if (row, column) in table.body}
        with_bins = {row: e for row, e in entries.items() if any(PART in result.analysis for result in e.results)}
        if with_bins:
            return with_bins
    return {}


def _title(table: Table, entries: dict[str, Entry]) -> str:
    """Return the title of a table, and in which of its questions the entries are."""
    question = beside(list(table.body.values()), next(iter(entries.values())), *BUDGETS)
    return ", ".join(part for part in (table.title, question) if part)


def _curve(entry: Entry) -> tuple[list[float], list[float]]:
    """Return mean probability and share of positives of each bin with enough predictions, over all seeds."""
    bins: dict[int, list[float]] = {}
    for result in entry.results:
        analysis = result.analysis.get(PART, {"count": [], "mean_probability": [], "share_positive": []})
        columns = (analysis["count"], analysis["mean_probability"], analysis["share_positive"])
        for index, (count, mean, share) in enumerate(zip(*columns, strict=True)):
            if count:
                total = bins.setdefault(index, [0.0, 0.0, 0.0])
                total[:] = [total[0] + count, total[1] + count * mean, total[2] + count * share]
    points = [bins[index] for index in sorted(bins) if bins[index][0] >= FEWEST]
    return [mean / count for count, mean, _ in points], [share / count for count, _, share in points]
