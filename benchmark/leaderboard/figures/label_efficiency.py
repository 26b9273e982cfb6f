"""Score against label fraction, one panel per dataset and label set, with the 95 % interval over patients.

A line per method, or, where methods are many, dots per method (`dots.py`).
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from benchmark.leaderboard.figures import dots
from benchmark.leaderboard.figures.style import describe, grid, legend_above, looks, rows_of, stamp, styled, with_errors
from benchmark.leaderboard.summary import SIGNAL
from benchmark.leaderboard.table import Table, by_question
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
    panels = [(table, *panel) for table in tables for panel in _panels(table).items()]
    look = board.look
    caption = f"{look.task(tables[0].task)}: {tables[0].axis} against the {SHARE}, with 95 % intervals over patients."
    with styled():
        if dots.many([points for *_, points in panels]):
            baselines = {row for table in tables for row in table.baselines}
            metrics = [table.axis for table, *_ in panels]
            by_title = {title: points for _, title, points in panels}
            figure = dots.draw(by_title, sorted(baselines), metrics, SHARE, _percent, look.row)
            stamp(figure, board)
            return describe(figure, caption)
        figure, axes = grid(len(panels))
        styles = looks(rows_of(board))
        for place, (axis, (table, title, points)) in enumerate(zip(axes, panels, strict=True)):
            _panel(axis, table, title, points, styles)
            axis.set_xlabel(SHARE if place >= len(panels) - 2 else "")
            if place % 2 == 0 or table.axis != panels[place - 1][0].axis:
                axis.set_ylabel(table.axis)
        legend_above(figure, axes)
        stamp(figure, board)
    return describe(figure, caption)


def _panel(  # type: ignore[no-untyped-def]
    axis, table: Table, title: str, points: dots.Points, look: dict[str, dict[str, Any]]
) -> None:
    rows = table.all_rows
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
    axis.set_title(title)


def _panels(table: Table) -> dict[str, dots.Points]:
    """Return each row's entries on unperturbed recordings by fraction; a panel for each of the other questions."""
    panels: dict[str, dots.Points] = {}
    entries = [entry for row in table.all_rows for (name, _), entry in table.body.items() if name == row]
    plain = [entry for entry in entries if entry.values and SIGNAL not in entry.variant]
    for words, of_question in by_question(plain, FIELD).items():
        title = f"{table.subject}, {words}" if words else table.subject
        for entry in of_question:
            panels.setdefault(title, {}).setdefault(entry.row, {})[entry.variant[FIELD]] = entry
    return panels


def _percent(fraction: float) -> str:
    return value_words(FIELD, fraction)
