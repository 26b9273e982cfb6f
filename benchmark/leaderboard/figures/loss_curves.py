"""Pre-training losses by epoch, training and validation, one panel per weights that were made for the suite."""

from __future__ import annotations

import csv
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.leaderboard.figures.style import fit, grid, looks, stamp, styled
from benchmark.leaderboard.tables import Leaderboard

TOTAL = "loss"


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    histories = board.histories()
    if not histories:
        return "no weights of this suite were pre-trained here"
    with styled():
        figure, axes = grid(len(histories), most=3)
        for axis, (row, path) in zip(axes, histories.items(), strict=True):
            _panel(axis, row, path)
        fit(figure)
        stamp(figure, board)
    return {"loss_curves": figure}


def _panel(axis, row: str, path: Path) -> None:  # type: ignore[no-untyped-def]
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    named = [name for name in lines[0] if name != "epoch" and not name.startswith("val_")]
    parts = [name for name in named if name != TOTAL] if len(named) > 2 else []
    look = looks([TOTAL, *parts])
    for name in [TOTAL, *parts]:
        for prefix, line in (("", "-"), ("val_", "--")):
            points = [
                (float(entry["epoch"]), float(entry[prefix + name])) for entry in lines if entry.get(prefix + name)
            ]
            if points:
                label = f"validation {name}" if prefix else name
                style = {"linestyle": line, "color": look[name]["color"], "marker": look[name]["marker"]}
                axis.plot(*zip(*points, strict=True), label=label, markersize=3, linewidth=1.2, **style)
    axis.set_title(row)
    axis.set_xlabel("epoch")
    axis.set_ylabel("loss, mean over batches")
    axis.legend(frameon=False, fontsize=7)
