"""Figure of a training's loss curves: one panel per loss, training and validation together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.atomic import atomic_path

COLUMNS = 3  # panels side by side


def draw(history: list[dict[str, float]], path: Path, title: str, best_epoch: float | None = None) -> None:
    """Write `path` (.svg, .png or .pdf) from the rows of a history; `best_epoch` marks the selected epoch."""
    import matplotlib as mpl
    import seaborn as sns
    from matplotlib.figure import Figure  # no pyplot: nothing global, no display

    names = list(dict.fromkeys(name.removeprefix("val_") for row in history for name in row if name != "epoch"))
    rows = -(-len(names) // COLUMNS)
    palette = sns.color_palette("colorblind", 2)
    with sns.axes_style("whitegrid"), mpl.rc_context({"svg.hashsalt": "ecgarena"}):  # equal data, equal bytes
        figure = Figure(figsize=(4 * min(len(names), COLUMNS), 2.8 * rows), layout="constrained")
        panels = figure.subplots(rows, min(len(names), COLUMNS), squeeze=False).flat
        for panel, name in zip(panels, names, strict=False):
            for colour, kind, column in zip(palette, ("training", "validation"), (name, f"val_{name}"), strict=True):
                points = [(row["epoch"], row[column]) for row in history if column in row]
                if points:
                    x, y = zip(*points, strict=True)
                    sns.lineplot(x=x, y=y, ax=panel, color=colour, label=kind, marker="o", errorbar=None)
            if best_epoch is not None:
                panel.axvline(best_epoch, color="0.5", linestyle=":", label="kept")
            panel.set(title=name.replace("_", " "), xlabel="epoch")
            panel.legend(fontsize="small")
        for panel in list(panels):  # the remaining panels have no loss to show
            panel.set_axis_off()
        figure.suptitle(title)
        metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {}
        with atomic_path(path) as temporary:
            figure.savefig(temporary, metadata=metadata)
