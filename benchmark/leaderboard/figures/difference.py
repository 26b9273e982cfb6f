"""Paired differences of two methods with their intervals, one line per question."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.leaderboard.comparison import Line
from benchmark.leaderboard.figures.style import single, stamp, styled
from benchmark.leaderboard.tables import Leaderboard


def draw(board: Leaderboard, lines: list[Line], a: str, b: str) -> Figure:
    with styled():
        figure, axis = single(6.5, 1.2 + 0.24 * len(lines))
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
        axis.set_xlabel(f"{a} minus {b}; filled circle: separated after Holm, diamond: not separated or not tested")
        stamp(figure, board)
    return figure
