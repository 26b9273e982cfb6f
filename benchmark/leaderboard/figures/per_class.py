"""AUROC of every class and method as a heat map, one figure per label set, at the largest label fraction."""

from __future__ import annotations

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.leaderboard.figures.style import single, stamp, styled
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.tables import Leaderboard, Table


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    figures = {}
    for table in board.tables:
        columns = _columns(table)
        if len(columns) > 1 and next(iter(columns.values())).per_class:
            figures[f"per_class-{table.task}-{table.dataset}-{table.label_set}"] = _figure(board, table, columns)
    return figures or "no table has per-class results of two methods"


def _columns(table: Table) -> dict[str, Entry]:
    """Return each row's last entry with a result (the largest fraction, in the order of suites)."""
    columns: dict[str, Entry] = {}
    for row in table.all_rows:
        for column in reversed(table.columns):
            entry = table.body.get((row, column))
            if entry is not None and entry.values and entry.per_class:
                columns[row] = entry
                break
    return columns


def _figure(board: Leaderboard, table: Table, columns: dict[str, Entry]) -> Figure:
    per_row = {row: entry.per_class for row, entry in columns.items()}
    classes = list(dict.fromkeys(name for scores in per_row.values() for name in scores))
    matrix = np.array([[per_row[row].get(name, np.nan) for row in per_row] for name in classes])
    with styled():
        size = (1.6 + 0.75 * len(per_row), 1.2 + 0.24 * len(classes))
        figure, axis = single(*size)
        # from chance to perfect; below chance is drawn as chance, its number says the rest
        sns.heatmap(
            matrix, vmin=0.5, vmax=1.0, cmap="viridis", annot=True, fmt=".2f", annot_kws={"fontsize": 7},
            xticklabels=list(per_row), yticklabels=classes, cbar_kws={"label": "AUROC"}, ax=axis,
        )  # fmt: skip
        for label in axis.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")
        axis.tick_params(axis="y", rotation=0)
        variant = ", ".join(f"{name} {value}" for name, value in next(iter(columns.values())).variant.items())
        axis.set_title(f"{table.title} ({variant})", loc="left", wrap=True)
        stamp(figure, board)
    return figure
