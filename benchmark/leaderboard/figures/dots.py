"""Figures for many methods: one line per method and one dot per level (a label fraction, a strength).

Seventeen curves over three levels cannot be told apart; seventeen names with three dots each can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from scipy.stats import rankdata

from benchmark.leaderboard.figures.style import MARKERS, PAGE, TITLE, grid, legend_above, with_errors, wrapped
from benchmark.leaderboard.summary import Entry

MANY, FEW = 8, 6  # more methods than these are drawn so, unless they have more levels than those
LINE, ENDS = 0.21, 0.75  # inches: of a method, and of title and axis together
SPREAD = 0.5  # of a line's height, over which the levels of a method stand, so that intervals do not hide each other

Points = dict[str, dict[float, Entry]]  # row -> level -> entry


def many(panels: Sequence[Points]) -> bool:
    """Whether a figure has many methods and few levels, which this form suits."""
    return len({row for points in panels for row in points}) > MANY and len(levels_of(panels)) <= FEW


def levels_of(panels: Sequence[Points]) -> list[float]:
    return sorted({level for points in panels for by_level in points.values() for level in by_level})


def draw(
    panels: dict[str, Points],
    baselines: Sequence[str],
    metrics: Sequence[str],
    legend: str,
    name: Callable[[float], str],
    row_name: Callable[[str], str] = str,
) -> Figure:
    """Draw a panel per title: methods from best to worst at the last level, baselines below a rule.

    `metrics` are those of the panels, `legend` is the title of the levels, `name` formats one level and `row_name` a
    row.
    """
    rows = _order(list(panels.values()), baselines, len(set(metrics)) == 1)
    levels = levels_of(list(panels.values()))
    figure, axes = grid(len(panels), height=LINE * len(rows) + ENDS, width=PAGE)
    names = [row_name(row) for row in rows]  # beside the first panel
    palette = sns.color_palette("viridis", len(levels) + 1)[:-1][::-1]  # light to dark, without its pale yellow
    for place, (axis, (title, points)) in enumerate(zip(axes, panels.items(), strict=True)):
        for index, level in enumerate(levels):
            look = {"color": palette[index], "marker": MARKERS[index], "label": name(level)}
            _level(axis, rows, points, level, _shift(index, len(levels)), look)
        if below := sum(row in baselines for row in rows):
            axis.axhline(len(rows) - below - 0.5, color="grey", linewidth=0.8)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_yticks(range(len(rows)), names if place % 2 == 0 else [""] * len(rows))
        axis.set_title(wrapped(title, 2.2 if len(panels) > 1 else 4, TITLE))
        axis.set_xlabel(metrics[place])
    legend_above(figure, axes, title=legend)
    return figure


def _order(panels: list[Points], baselines: Sequence[str], one_metric: bool) -> list[str]:
    """Order rows by their mean at the last level over panels; baselines come last, ordered among themselves.

    Where panels have several metrics, such as errors in years and in milliseconds, the mean is that of ranks.
    """
    scores: dict[str, list[float]] = {}
    for points in panels:
        last = {row: by_level[max(by_level)] for row, by_level in points.items()}
        better = {row: entry.mean if entry.higher_is_better else -entry.mean for row, entry in last.items()}
        ranks = dict(zip(better, rankdata(list(better.values())), strict=True))
        for row in better:
            scores.setdefault(row, []).append(better[row] if one_metric else float(ranks[row]))
    return sorted(scores, key=lambda row: (row in baselines, -mean(scores[row])))


def _shift(index: int, count: int) -> float:
    return 0.0 if count == 1 else SPREAD * (index / (count - 1) - 0.5)


def _level(axis: Any, rows: list[str], points: Points, level: float, shift: float, look: dict[str, Any]) -> None:
    rows_here = [place for place, row in enumerate(rows) if level in points.get(row, {})]
    if rows_here:
        means, errors = with_errors([points[rows[place]][level] for place in rows_here])
        style = {"linestyle": "none", "markersize": 4, "elinewidth": 1.2}
        axis.errorbar(means, np.add(rows_here, shift), xerr=errors, **style, **look)
