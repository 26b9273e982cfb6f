"""Paired differences of two methods with their intervals, one line per question and one panel per metric."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from benchmark.leaderboard.comparison import Line
from benchmark.leaderboard.figures.style import describe, legend_above, stacked, stamp, styled, wrapped
from benchmark.leaderboard.tables import Leaderboard

SEPARATED = {True: ("separated after Holm", "o", "black"), False: ("not separated, or not tested", "d", "grey")}
NAMES, AXIS = 4.6, 2.6  # inches: the most of the questions' names, and of the axis' own


def draw(board: Leaderboard, lines: list[Line], a: str, b: str) -> Figure:
    """Draw the differences; those in one metric share an axis, since a year is no AUROC."""
    panels: dict[str, list[Line]] = {}
    for line in lines:
        panels.setdefault(line.metric, []).append(line)
    with styled():
        figure, axes = stacked([0.7 + 0.24 * len(of_metric) for of_metric in panels.values()])
        for name, marker, colour in SEPARATED.values():
            axes[0].plot([], [], marker=marker, color=colour, markersize=4, linestyle="none", label=name)
        for axis, (metric, of_metric) in zip(axes, panels.items(), strict=True):
            _panel(axis, of_metric)
            unit = f" in {metric}" if len(panels) > 1 or not of_metric[0].higher_is_better else ""
            axis.set_xlabel(wrapped(f"{a} minus {b}{unit}", AXIS))
        legend_above(figure, list(axes))
        stamp(figure, board)
    return describe(figure, f"Differences of {a} and {b} by question, with 95 % intervals over patients.")


def _panel(axis: Any, lines: list[Line]) -> None:
    for height, line in enumerate(lines):
        value, interval = line.a - line.b, line.difference
        _, marker, colour = SEPARATED[line.winner in ("a", "b")]
        if interval is not None:
            axis.plot([interval.low, interval.high], [height, height], color=colour, linewidth=1.2)
        axis.plot(value, height, marker=marker, color=colour, markersize=4)
    axis.axvline(0, color="grey", linewidth=0.8, linestyle="--")
    axis.set_yticks(range(len(lines)), [wrapped(line.title, NAMES) for line in lines])
    axis.set_ylim(len(lines) - 0.4, -0.6)
