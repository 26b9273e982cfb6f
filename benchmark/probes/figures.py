"""Figures of a search: every trial in order, and the objective against each numeric setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

VALUE = "val_macro_auroc"
NO_SETTING = ("number", "epoch", "iterations", "C", VALUE)  # numbers of a trial that are no settings


def draw_search(trials: list[dict[str, Any]], choice: dict[str, Any], path: Path) -> None:
    """Write an SVG, the same bytes for the same trials, with the chosen trial in red."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings = [name for name, value in trials[0].items() if _is_number(value) and name not in NO_SETTING]
    curves = any(len(trial.get("curve", [])) > 1 for trial in trials)
    count = 1 + len(settings) + curves
    with mpl.rc_context({"svg.hashsalt": "ecgarena", "font.size": 8}):
        figure = Figure(figsize=(3.2 * count, 2.8), layout="constrained")
        axes = figure.subplots(1, count, squeeze=False)[0]
        values = [trial[VALUE] for trial in trials]
        axes[0].plot([max(values[: at + 1]) for at in range(len(values))], drawstyle="steps-post", color="0.6")
        _scatter(axes[0], trials, choice, "number")
        for axis, name in zip(axes[1:], settings, strict=False):
            _scatter(axis, trials, choice, name)
            axis.set_xscale("log")
        if curves:
            for trial in trials:
                chosen = trial["number"] == choice["number"]
                axes[-1].plot(range(1, len(trial["curve"]) + 1), trial["curve"], color="C3" if chosen else "0.7")
            axes[-1].set_xlabel("epoch (pruned trials end early)")
        axes[0].set_ylabel("macro AUROC on validation")
        path.parent.mkdir(parents=True, exist_ok=True)
        FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})


def _scatter(axis: Any, trials: list[dict[str, Any]], choice: dict[str, Any], name: str) -> None:
    """Plot the objective against one setting, with a marker of its own for each combination of switches."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for trial in trials:
        flags = ", ".join(key for key, value in trial.items() if value is True)
        groups.setdefault(flags or "plain", []).append(trial)
    for marker, (title, members) in zip("os^vDPX*", sorted(groups.items()), strict=False):
        abscissas, values = ([trial[key] for trial in members] for key in (name, VALUE))
        axis.scatter(abscissas, values, s=16, marker=marker, label=title, alpha=0.8)
    axis.scatter([choice[name]], [choice[VALUE]], s=60, facecolors="none", edgecolors="C3")
    axis.set_xlabel(name)
    if len(groups) > 1:
        axis.legend(fontsize=6)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
