"""Score against label fraction, one panel per dataset and label set, with the 95 % interval over patients.

A line per method, or, where methods are many, dots per method (`dots.py`).
"""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from benchmark.leaderboard.figures import dots
from benchmark.leaderboard.figures.style import describe, grid, legend_above, looks, rows_of, stamp, styled, with_errors
from benchmark.leaderboard.summary import SIGNAL
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.words import value_words

FIELD = "fraction"
SHARE = "labelled share of the training split"
DODGE = 0.035  # methods stand side by side, as a share of a decade: else their bars hide each other


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    by_task: dict[str, list[Table]] = {}
    for table in board.tables:
        fractions = {entry.variant.get(FIELD) for entry in table.body.values() if entry.values}
        if len(fractions - {None}) > 1:
            by_task.setdefault(table.task, []).append(table)
    if not by_task:
        return "no task has results at two label fractions or more"
    name = "label_efficiency"
    return {name if len(by_task) == 1 else f"{name}-{task}": _figure(board, tables) for task, tables in by_task.items()}


def _figure(board: Leaderboard, tables: list[Table]) -> Figure:
    panels = {table.subject: _points(table) for table in tables}
    look = board.look
    caption = f"{look.task(tables[0].task)}: {tables[0].axis} against the {SHARE}, with 95 % intervals over patients."
    with styled():
        if dots.many(list(panels.values())):
            baselines = {row for table in tables for row in table.baselines}
            metrics = [table.axis for table in tables]
            figure = dots.draw(panels, sorted(baselines), metrics, SHARE, _percent, look.row)
            stamp(figure, board)
            return describe(figure, caption)
        figure, axes = grid(len(tables))
        styles = looks(rows_of(board))
        for place, (axis, table) in enumerate(zip(axes, tables, strict=True)):
            _panel(axis, table, styles)
            axis.set_xlabel(SHARE if place >= len(tables) - 2 else "")
            if place % 2 == 0 or table.axis != tables[place - 1].axis:
                axis.set_ylabel(table.axis)
        legend_above(figure, axes)
        stamp(figure, board)
    return describe(figure, caption)


def _panel(axis, table: Table, look: dict[str, dict]) -> None:  # type: ignore[no-untyped-def, type-arg]
    rows, points = table.all_rows, _points(table)
    names = set()
    for place, row in enumerate(rows):
        entries = points.get(row)
        if not entries:
            continue
        fractions = sorted(entries)
        names.update(fractions)
        shift = 10 ** (DODGE * (place - (len(rows) - 1) / 2))
        means, errors = with_errors([entries[fraction] for fraction in fractions])
        style = {"linestyle": ":" if row in table.baselines else "-", "markersize": 4, "linewidth": 1.2, "capsize": 2}
        axis.errorbar(
            [f * shift for f in fractions], means, yerr=errors, label=table.look.row(row), **style, **look[row]
        )
    axis.set_xscale("log")
    ticks = sorted(names)
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticklabels([_percent(tick) for tick in ticks])
    axis.set_title(table.subject)


def _points(table: Table) -> dots.Points:
    """Return a row's entries on unperturbed recordings by fraction."""
    points: dots.Points = {}
    for row in table.all_rows:
        of_row = (entry for (name, _), entry in table.body.items() if name == row and entry.values)
        entries = {entry.variant[FIELD]: entry for entry in of_row if SIGNAL not in entry.variant}
        points |= {row: entries} if entries else {}
    return points


def _percent(fraction: float) -> str:
    return value_words(FIELD, fraction)
