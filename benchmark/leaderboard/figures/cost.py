"""Score against cost: parameters, FLOPs and seconds per recording, one panel per kind of cost."""

from __future__ import annotations

from statistics import mean

from matplotlib.figure import Figure

from benchmark.leaderboard.figures.rank_summary import ranks_by_row
from benchmark.leaderboard.figures.style import grid, legend_above, looks, rows_of, stamp, styled
from benchmark.leaderboard.tables import Leaderboard

COSTS = {
    "parameters": "parameters",
    "flops": "FLOPs per recording",
    "feature_seconds": "seconds per recording (features)",
}


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    costs = _costs(board)
    shown = [name for name in COSTS if sum(bool(found.get(name)) for found in costs.values()) > 1]
    scores = _scores(board)
    if not shown or not scores:
        return "fewer than two methods have records that keep a cost"
    look = looks(rows_of(board))
    with styled():
        figure, axes = grid(len(shown), most=3)
        for axis, name in zip(axes, shown, strict=True):
            for row, found in costs.items():
                if found.get(name) and row in scores:
                    axis.scatter(found[name], scores[row], s=36, label=row, **look[row])
            shown_costs = [found[name] for found in costs.values() if found.get(name)]
            if max(shown_costs) > 10 * min(shown_costs):  # within a decade the ticks of a logarithm overlap
                axis.set_xscale("log")
            axis.set_xlabel(COSTS[name])
        axes[0].set_ylabel("mean of the primary metric")
        legend_above(figure, axes)
        stamp(figure, board)
    return {"cost": figure}


def _costs(board: Leaderboard) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for entry in board.entries:
        for result in entry.results:
            if result.cost:
                found.setdefault(entry.row, result.cost)
    return found


def _scores(board: Leaderboard) -> dict[str, float]:
    """Mean over the questions that every ranked row has answered: else a row would gain by skipping hard ones."""
    rows = set(ranks_by_row(board))
    values: dict[str, list[float]] = {}
    for table in board.tables:
        for column in table.columns:
            entries = {row: e for (row, name), e in table.body.items() if name == column and e.complete}
            if rows and rows <= set(entries):
                for row in rows:
                    values.setdefault(row, []).append(entries[row].mean)
    return {row: mean(found) for row, found in values.items()}
