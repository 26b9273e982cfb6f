"""Reliability of the probabilities: how often each came true, over all classes and seeds, at the largest fraction."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.leaderboard.figures.style import grid, legend_above, looks, rows_of, stamp, styled
from benchmark.leaderboard.summary import SIGNAL, Entry
from benchmark.leaderboard.tables import Leaderboard, Table

PART = "reliability"
FEWEST = 20  # a bin with fewer predictions says little and is not drawn


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    chosen = [(table, found) for table in board.tables if (found := _entries(table))]
    if not chosen:
        return "no record keeps the bins of its probabilities"
    look = looks(rows_of(board))
    with styled():
        figure, axes = grid(len(chosen), height=2.8)
        for axis, (table, entries) in zip(axes, chosen, strict=True):
            axis.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
            for row, entry in entries.items():
                axis.plot(*_curve(entry), label=row, markersize=4, linewidth=1.2, **look[row])
            axis.set(xlim=(0, 1), ylim=(0, 1), title=f"{table.task}: {table.dataset} / {table.label_set}")
            axis.set_xlabel("mean probability of the bin")
        axes[0].set_ylabel("share that came true")
        legend_above(figure, axes)
        stamp(figure, board)
    return {"calibration": figure}


def _entries(table: Table) -> dict[str, Entry]:
    """By row the last column, on recordings as they are, whose records keep bins."""
    chosen: dict[str, Entry] = {}
    for row in table.all_rows:
        for column in reversed(table.columns):
            entry = table.body.get((row, column))
            if entry and SIGNAL not in entry.variant and any(PART in result.analysis for result in entry.results):
                chosen[row] = entry
                break
    return chosen


def _curve(entry: Entry) -> tuple[list[float], list[float]]:
    """Mean probability and share of positives of each bin with enough predictions, over all seeds."""
    bins: dict[int, list[float]] = {}
    for result in entry.results:
        found = result.analysis.get(PART, {"count": [], "mean_probability": [], "share_positive": []})
        columns = (found["count"], found["mean_probability"], found["share_positive"])
        for index, (count, mean, share) in enumerate(zip(*columns, strict=True)):
            if count:
                total = bins.setdefault(index, [0.0, 0.0, 0.0])
                total[:] = [total[0] + count, total[1] + count * mean, total[2] + count * share]
    kept = [bins[index] for index in sorted(bins) if bins[index][0] >= FEWEST]
    return [mean / count for count, mean, _ in kept], [share / count for count, _, share in kept]
