"""Paired differences of two methods with their intervals, one line per question and one panel per metric."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from benchmark.leaderboard.comparison import Line
from benchmark.leaderboard.figures.style import fit, stamp, styled
from benchmark.leaderboard.tables import Leaderboard


def draw(board: Leaderboard, lines: list[Line], a: str, b: str) -> Figure:
    """Draw the differences; those in one metric share an axis, since a year is no AUROC."""
    panels: dict[str, list[Line]] = {}
    for line in lines:
        panels.setdefault(line.metric, []).append(line)
    marks = "filled circle: separated after Holm, diamond: not separated or not tested"
    with styled():
        sizes = [1.2 + 0.24 * len(of_metric) for of_metric in panels.values()]
        figure = Figure(figsize=(6.5, sum(sizes)))
        axes = figure.subplots(len(sizes), squeeze=False, height_ratios=sizes)[:, 0]
        for axis, (metric, of_metric) in zip(axes, panels.items(), strict=True):
            _panel(axis, of_metric)
            unit = f" in {metric}" if len(panels) > 1 or not of_metric[0].higher_is_better else ""
            axis.set_xlabel(f"{a} minus {b}{unit}; {marks}")
        if len(panels) > 1:
            fit(figure)
        stamp(figure, board)
    return figure


def _panel(axis: Any, lines: list[Line]) -> None:
    for height, line in enumerate(lines):
        value, interval = line.a - line.b, line.difference
        decided = line.winner in ("a", "b")
        colour = "black" if decided else "grey"
        if interval is not None:
            axis.plot([interval.low, interval.high], [height, height], color=colour, linewidth=1.2)
        axis.plot(value, height, marker="o" if decided else "d", color=colour, markersize=4)
    axis.axvline(0, color="grey", linewidth=0.8, linestyle="--")
    axis.set_yticks(range(len(lines)), [line.title for line in lines])
    axis.invert_yaxis()
