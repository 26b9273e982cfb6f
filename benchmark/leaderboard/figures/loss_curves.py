"""Pre-training and validation losses by epoch, one panel per row with a line for each of its trainings."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.leaderboard.figures.style import TITLE, describe, fit, grid, looks, stamp, styled, wrapped
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.words import plain

TOTAL = "loss"
CAPTION = "Losses of each pre-training by epoch, in training (solid) and on the validation split (dashed)."
LINES: dict[str, Any] = {"training": "-", "validation": "--"}
MARKERS = 5  # places of a curve that carry its marker
LEGEND_INCHES = 0.25
COLUMNS, TITLE_POINTS, LEGEND_POINTS = 2, 6, 12
TIGHT: dict[str, Any] = {"columnspacing": 0.8, "handlelength": 1.4, "handletextpad": 0.4, "borderaxespad": 0.1}


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    histories = board.histories()
    if not histories:
        return "no weights of this suite were pre-trained here"
    with styled():
        figure, axes = grid(len(histories), height=2.5, most=3)
        for axis, (row, paths) in zip(axes, histories.items(), strict=True):
            _panel(axis, board.look.row(row), [_lines(path) for path in paths])
        lines = [Line2D([], [], color="black", linestyle=line, label=name) for name, line in LINES.items()]
        figure.legend(handles=lines, loc="upper center", ncols=len(lines), frameon=False)
        figure.set_figheight(figure.get_figheight() + LEGEND_INCHES)
        fit(figure, top=1 - LEGEND_INCHES / figure.get_figheight())
        stamp(figure, board)
    return {"loss_curves": describe(figure, CAPTION)}


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _panel(axis, row: str, members: list[list[dict[str, str]]]) -> None:  # type: ignore[no-untyped-def]
    columns = [name for name in members[0][0] if name != "epoch" and not name.startswith("val_")]
    parts = [name for name in columns if name != TOTAL] if len(columns) > 2 else []
    look = looks([TOTAL, *parts])
    for name in [TOTAL, *parts]:
        for prefix, line in (("", LINES["training"]), ("val_", LINES["validation"])):
            for number, lines in enumerate(members):
                points = [
                    (float(entry["epoch"]), float(entry[prefix + name])) for entry in lines if entry.get(prefix + name)
                ]
                if points:
                    every = max(1, len(points) // MARKERS)
                    style = {"linestyle": line, "markersize": 3, "linewidth": 1.2, "markevery": every, **look[name]}
                    axis.plot(*zip(*points, strict=True), label=None if prefix or number else plain(name), **style)
    axis.set_xlabel("epoch")
    axis.set_ylabel("loss")
    title = wrapped(row, 1.9, TITLE)
    if parts:  # above the panel: inside it hides curves
        axis.set_title(title, pad=TITLE_POINTS + LEGEND_POINTS * -(-(len(parts) + 1) // COLUMNS))
        axis.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=COLUMNS, **TIGHT)
    else:
        axis.set_title(title)
