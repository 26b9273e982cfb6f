"""Score against cost: parameters, FLOPs and seconds per recording, one panel per kind of cost."""

from __future__ import annotations

import math
from statistics import mean
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from benchmark.leaderboard.figures.rank_summary import ranks_by_row
from benchmark.leaderboard.figures.style import describe, grid, legend_above, looks, rows_of, stamp, styled
from benchmark.leaderboard.tables import Leaderboard

COSTS = {
    "parameters": "parameters",
    "flops": "FLOPs per recording",
    "feature_seconds": "time per recording",
}
CAPTION = "Mean score over the questions that all methods answered, against what a method costs."
UNITS = {"feature_seconds": "s"}


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    costs = _costs(board)
    names = [name for name in COSTS if sum(bool(row_costs.get(name)) for row_costs in costs.values()) > 1]
    metric, scores = _scores(board)
    if not names or not scores:
        return "fewer than two methods have records that keep a cost"
    look = looks(rows_of(board))
    with styled():
        figure, axes = grid(len(names), most=3)
        for axis, name in zip(axes, names, strict=True):
            for row, row_costs in costs.items():
                if row_costs.get(name) and row in scores:
                    axis.scatter(row_costs[name], scores[row], s=36, label=board.look.row(row), **look[row])
            _scale(axis, [row_costs[name] for row_costs in costs.values() if row_costs.get(name)], UNITS.get(name, ""))
            axis.set_xlabel(COSTS[name])
        _share_height(axes)
        axes[0].set_ylabel(f"mean of {board.look.plain_metric(board.look.metric) if board.look.metric else metric}")
        legend_above(figure, axes)
        stamp(figure, board)
    return {"cost": describe(figure, CAPTION)}


def _scale(axis: Any, costs: list[float], unit: str) -> None:
    """Set the axis of a cost (``5 M``, ``20 ms``): logarithmic over more than a decade, with as many ticks as fit."""
    decades = math.log10(max(costs) / min(costs))
    if decades > 1:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 3) if decades < 3 else (1,)))
        axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(EngFormatter(unit))


def _share_height(axes: list[Any]) -> None:
    """Give all panels the same range of scores, since not every method has every cost."""
    ranges = [axis.get_ylim() for axis in axes]
    for axis in axes:
        axis.set_ylim(min(low for low, _ in ranges), max(high for _, high in ranges))


def _costs(board: Leaderboard) -> dict[str, dict[str, float]]:
    costs: dict[str, dict[str, float]] = {}
    for entry in board.entries:
        for result in entry.results:
            if result.cost:
                costs.setdefault(entry.row, result.cost)
    return costs


def _scores(board: Leaderboard) -> tuple[str, dict[str, float]]:
    """Return a metric and each row's mean over the questions that all ranked rows answered in it.

    Skipping hard ones gains nothing. Of several metrics the one with most such questions is drawn, the first of equals:
    an error in years and an AUROC have no mean.
    """
    rows = set(ranks_by_row(board))
    values: dict[str, dict[str, list[float]]] = {}
    for table in board.tables:
        for column in table.columns:
            entries = {row: e for (row, name), e in table.body.items() if name == column and e.complete}
            if rows and rows <= set(entries):
                of_metric = values.setdefault(table.metric, {})
                for row in rows:
                    of_metric.setdefault(row, []).append(entries[row].mean)
    if not values:
        return "", {}
    metric = max(values, key=lambda name: len(next(iter(values[name].values()))))
    return metric, {row: mean(scores) for row, scores in values[metric].items()}
