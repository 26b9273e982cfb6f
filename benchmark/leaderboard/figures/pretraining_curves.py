"""Score against the length of pre-training, with a panel per label set and column.

A line joins rows that differ in nothing else. Solid ones had a part of the recordings for the same number of epochs,
dashed ones all recordings for fewer epochs. Both are drawn over the recordings that were read: where they part, it is
different recordings that help, and where they agree, it is steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from benchmark.canonical import dumps
from benchmark.leaderboard.figures.style import describe, grid, legend_above, looks, rows_of, stamp, styled, with_errors
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import Cell
from benchmark.planning.training_config import TrainingConfig

FIELDS: dict[str, tuple[Any, str]] = {  # line and name of each kind of curve
    "share": ("-", "a part of the recordings"),
    "epochs": ("--", "fewer epochs of all recordings"),
}
CAPTION = (
    "{task} after pre-trainings of different length, with 95 % intervals over patients. Solid lines: a part of the "
    "recordings, as many epochs; dashed lines: all recordings, fewer epochs."
)


class Curve(NamedTuple):
    """Rows that differ in one field of their training alone, by the number of epochs of all recordings they read."""

    field: str
    rows: dict[float, str]

    @property
    def name(self) -> str:
        """Return the row with the longest pre-training, which gives the line its name and look."""
        return self.rows[max(self.rows)]


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    curves = list(_curves(board.plan.cells))
    if not curves:
        return "no two rows differ in the share of recordings, or in the epochs, of their pre-training alone"
    by_task: dict[str, list[Table]] = {}
    for table in board.tables:
        if any(_points(table, column, curve) for column in table.columns for curve in curves):
            by_task.setdefault(table.task, []).append(table)
    name = "pretraining_curves"
    return {f"{name}-{task}": _figure(board, tables, curves) for task, tables in by_task.items()}


def _curves(cells: Iterable[Cell]) -> Iterator[Curve]:
    """Yield the curves of a plan. A training of an exact or a smallest number of steps is on none."""
    for field in FIELDS:
        groups: dict[str, dict[float, str]] = {}
        for cell in cells:
            recipe = cell.spec.pretraining
            if recipe is None:
                continue
            training = TrainingConfig.from_options(recipe["training"], cell.row)
            if not training.steps and not training.min_steps:
                like = {name: value for name, value in recipe["training"].items() if name not in (field, "seed")}
                key = dumps([cell.spec.method, cell.spec.method_config, {**recipe, "training": like}])
                groups.setdefault(key, {})[training.share * training.epochs] = cell.row
        yield from (Curve(field, rows) for rows in groups.values() if len(rows) > 1)


def _figure(board: Leaderboard, tables: list[Table], curves: list[Curve]) -> Figure:
    names = list(dict.fromkeys(curve.name for curve in curves))
    look = looks([row for row in rows_of(board) if row in names])
    panels = [(table, column) for table in tables for column in table.columns]
    with styled():
        figure, axes = grid(len(panels), height=1.9, most=max(2, min(3, len(tables[0].columns))))
        for axis, (table, column) in zip(axes, panels, strict=True):
            for curve in curves:
                _line(axis, _points(table, column, curve), FIELDS[curve.field][0], look[curve.name])
            _finish(axis, table, column, curves)
        _legend(figure, axes, [(board.look.row(name), look[name]) for name in names], curves)
        stamp(figure, board)
    return describe(figure, CAPTION.format(task=board.look.task(tables[0].task)))


def _points(table: Table, column: str, curve: Curve) -> dict[float, Any]:
    """Return the entries of a curve in a column by amount read, ascending; {} with fewer than two."""
    entries = {amount: table.body.get((row, column)) for amount, row in sorted(curve.rows.items())}
    points = {amount: entry for amount, entry in entries.items() if entry is not None and entry.values}
    return points if len(points) > 1 else {}


def _line(axis: Any, points: dict[float, Any], line: str, look: dict[str, Any]) -> None:
    if points:
        means, errors = with_errors(list(points.values()))
        style = {"linestyle": line, "markersize": 3, "linewidth": 1.0, "capsize": 1.5}
        axis.errorbar(list(points), means, yerr=errors, **style, **look)


def _finish(axis: Any, table: Table, column: str, curves: list[Curve]) -> None:
    amounts = sorted({amount for curve in curves for amount in curve.rows})
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(_spaced(amounts)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda amount, _: f"{amount:g}")
    axis.set_title(f"{table.subject}\n{table.look.column(column)}")
    axis.set_xlabel("recordings read (1 = all, once)")
    axis.set_ylabel(table.axis)


def _spaced(amounts: list[float], ratio: float = 1.9) -> list[float]:
    """Return amounts that are far enough apart for their labels, the largest among them."""
    ticks: list[float] = []
    for amount in reversed(amounts):
        if not ticks or ticks[-1] / amount >= ratio:
            ticks.append(amount)
    return ticks[::-1]


def _legend(figure: Figure, axes: list[Any], rows: list[tuple[str, dict[str, Any]]], curves: list[Curve]) -> None:
    """Draw what colours and lines stand for; lines without data make the entries."""
    for title, look in rows:
        axes[0].add_line(Line2D([], [], markersize=4, label=title, **look))
    for line, title in (FIELDS[name] for name in FIELDS if any(curve.field == name for curve in curves)):
        axes[0].add_line(Line2D([], [], color="black", linestyle=line, label=title))
    legend_above(figure, axes)
