"""Pre-training and validation losses by epoch, one panel per pre-training of the suite."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.leaderboard.figures.style import fit, grid, looks, stamp, styled
from benchmark.leaderboard.tables import Leaderboard

TOTAL = "loss"
LINES: dict[str, Any] = {"training": "-", "validation": "--"}
MARKERS = 5  # places of a curve that carry its marker
LEGEND_INCHES = 0.25
COLUMNS, TITLE_POINTS, LEGEND_POINTS = 4, 6, 10
TIGHT: dict[str, Any] = {"columnspacing": 0.8, "handlelength": 1.4, "handletextpad": 0.4, "borderaxespad": 0.1}


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    histories = board.histories()
    if not histories:
        return "no weights of this suite were pre-trained here"
    with styled():
        figure, axes = grid(len(histories), most=3)
        for axis, (row, path) in zip(axes, histories.items(), strict=True):
            _panel(axis, row, path)
        lines = [Line2D([], [], color="black", linestyle=line, label=name) for name, line in LINES.items()]
        figure.legend(handles=lines, loc="upper center", ncols=len(lines), frameon=False)
        fit(figure, top=1 - LEGEND_INCHES / figure.get_figheight())
        stamp(figure, board)
    return {"loss_curves": figure}


def _panel(axis, row: str, path: Path) -> None:  # type: ignore[no-untyped-def]
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    columns = [name for name in lines[0] if name != "epoch" and not name.startswith("val_")]
    parts = [name for name in columns if name != TOTAL] if len(columns) > 2 else []
    look = looks([TOTAL, *parts])
    for name in [TOTAL, *parts]:
        for prefix, line in (("", LINES["training"]), ("val_", LINES["validation"])):
            points = [
                (float(entry["epoch"]), float(entry[prefix + name])) for entry in lines if entry.get(prefix + name)
            ]
            if points:
                every = max(1, len(points) // MARKERS)
                style = {"linestyle": line, "markersize": 3, "linewidth": 1.2, "markevery": every, **look[name]}
                axis.plot(*zip(*points, strict=True), label=None if prefix else name, **style)
    axis.set_xlabel("epoch")
    axis.set_ylabel("loss, mean over batches")
    if parts:  # above the panel: inside it hides curves
        axis.set_title(row, pad=TITLE_POINTS + LEGEND_POINTS * -(-(len(parts) + 1) // COLUMNS))
        axis.legend(frameon=False, fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=COLUMNS, **TIGHT)
    else:
        axis.set_title(row)
