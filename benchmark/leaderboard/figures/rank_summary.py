"""Rank of each method over all questions: a summary and no test, since six tasks can hardly reach 5 %."""

from __future__ import annotations

from collections import Counter

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.leaderboard.figures.style import describe, fit, looks, rows_of, single, stamp, styled
from benchmark.leaderboard.tables import Leaderboard

CAPTION = (
    "Ranks among the methods that answered the same question: a summary, not a test. The area of a dot is the share of "
    "a method's questions, a bar is the mean rank, and in brackets stands the number of questions."
)
AREA = 120  # square points: of a rank that a method has in all questions


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    ranks = ranks_by_row(board)
    if len(ranks) < 2:
        return "no question was answered completely by two methods"
    order = sorted(ranks, key=lambda row: (np.mean(ranks[row]), row))
    look = looks(rows_of(board))
    with styled():
        figure, axis = single(0.8 + 0.28 * len(order))
        for height, row in enumerate(order):
            often = Counter(ranks[row])
            areas = [AREA * count / len(ranks[row]) for count in often.values()]
            axis.scatter(list(often), [height] * len(often), s=areas, edgecolor="black", linewidth=0.3, **look[row])
            axis.plot([np.mean(ranks[row])] * 2, [height - 0.3, height + 0.3], color="black", linewidth=1.5)
        axis.set_yticks(range(len(order)), [f"{board.look.row(row)} ({len(ranks[row])})" for row in order])
        axis.invert_yaxis()
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("rank (1 = best; bar: mean)")
        axis.set_title("A summary over questions, not a test")
        fit(figure)
        stamp(figure, board)
    return {"rank_summary": describe(figure, CAPTION)}


def ranks_by_row(board: Leaderboard) -> dict[str, list[float]]:
    """Return the ranks of complete entries within each column; ties share the mean of their ranks."""
    from scipy.stats import rankdata

    ranks: dict[str, list[float]] = {}
    for table in [table for table in board.tables if table.is_ranked]:
        for column in table.columns:
            rivals = [e for (_, name), e in table.body.items() if name == column and e.complete]
            if len(rivals) < 2:
                continue
            sign = -1 if rivals[0].higher_is_better else 1
            for entry, rank in zip(rivals, rankdata([sign * entry.mean for entry in rivals]), strict=True):
                ranks.setdefault(entry.row, []).append(float(rank))
    return ranks
