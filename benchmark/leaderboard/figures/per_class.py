"""A metric of every class and method as a heat map, one figure per label set, at the largest label fraction."""

from __future__ import annotations

import math

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.leaderboard.breakdown import CLASS, PartScore, scores_of
from benchmark.leaderboard.figures.columns import by_labels
from benchmark.leaderboard.figures.style import SMALLEST, describe, fit, letters, single, stamp, styled, wrapped
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard

STEP = 0.05  # the colours span the values, rounded outwards to it
LINE, SQUARE = 0.2, 0.26  # inches: of a class, and the least of a method whose number can be read
OUTLIERS = 0.05  # of the values lie below the colours: one class without positives would take half of them

Columns = dict[str, dict[str, PartScore]]


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    figures = {}
    for table in board.tables:
        column, columns = _columns(board, table)
        if len(columns) > 1:
            figures[f"per_class-{table.task}-{table.dataset}-{table.label_set}"] = _figure(
                board, table, column, columns
            )
    return figures or "no table has per-class results of two methods"


def _columns(board: Leaderboard, table: Table) -> tuple[str, Columns]:
    """Return the column with the most labels that has results by class, and its rows."""
    for column in by_labels(table):
        entries = {row: table.body[row, column] for row in table.all_rows if (row, column) in table.body}
        scores = {row: scores_of(board.store, entry).get(CLASS, {}) for row, entry in entries.items() if entry.values}
        if columns := {row: classes for row, classes in scores.items() if classes}:
            return column, columns
    return "", {}


def _figure(board: Leaderboard, table: Table, column: str, columns: Columns) -> Figure:
    classes = list(dict.fromkeys(name for scores in columns.values() for name in scores))
    counts = {name: score.count for scores in columns.values() for name, score in scores.items()}
    matrix = np.array([[_value(scores, name) for scores in columns.values()] for name in classes])
    names = [table.look.row(row) for row in columns]
    longest = max(map(len, names))
    low = STEP * math.floor(np.nanquantile(matrix, OUTLIERS) / STEP)
    high = max(STEP * math.ceil(np.nanmax(matrix) / STEP), low + STEP)
    labels = [f"{name} ({counts[name]})" for name in classes]
    title = f"{table.title}, {table.look.column(column)}"
    with styled():
        figure, axis = single(1.0 + LINE * len(classes) + letters(longest))
        extend = "min" if np.nanmin(matrix) < low else "neither"
        room = figure.get_figwidth() - letters(max(map(len, labels))) - 1.0
        sns.heatmap(
            matrix, vmin=low, vmax=high, cmap="viridis", annot=bool(room / len(names) >= SQUARE), fmt=".2f",
            annot_kws={"fontsize": SMALLEST}, xticklabels=names, yticklabels=labels, ax=axis,
            cbar_kws={"label": _metric(table), "pad": 0.02, "fraction": 0.05, "extend": extend},
        )  # fmt: skip
        for text in axis.texts:
            text.set_text(text.get_text().removeprefix("0"))
        axis.tick_params(axis="x", rotation=90 if letters(longest) > room / len(names) else 0)
        axis.tick_params(axis="y", rotation=0)
        axis.set_title(wrapped(title, 6), loc="left")
        fit(figure)
        stamp(figure, board)
    return describe(figure, f"{title}: {_metric(table)} of each class and method; in brackets its positives in test.")


def _value(scores: dict[str, PartScore], name: str) -> float:
    score = scores.get(name)
    return np.nan if score is None or score.value is None else score.value


def _metric(table: Table) -> str:
    """Return the metric of single classes: ``AUROC`` for ``macro AUROC``."""
    return table.axis.removeprefix("macro ")
