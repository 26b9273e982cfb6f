"""The audit of report metrics as a figure: faults by metrics, with the fall of each score in percent."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmark.leaderboard.figures.style import PAGE, WARNING_COLOUR, describe, styled
from benchmark.reporting.audit.audit import Line
from benchmark.reporting.audit.faults import GROUPS
from benchmark.reporting.audit.measures import METRICS
from benchmark.reporting.audit.tables import LANGUAGE_TITLES, AuditTable

ROW, HEAD, FOOT = 0.21, 0.75, 0.2  # inches: of a fault, above a panel for its title and metrics, below it
DARK = 50.0  # percent from which numbers are white


def draw(table: AuditTable) -> Figure:
    """Draw one panel per language, with the groups of faults apart."""
    panels = {language: table.rows(language) for language in table.languages}
    heights = [HEAD + ROW * len(rows) for rows in panels.values()]
    with styled():
        figure = Figure(figsize=(PAGE, sum(heights) + FOOT))
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axis, (language, rows) in zip(axes, panels.items(), strict=True):
            _panel(axis, f"{LANGUAGE_TITLES[language]} reports: fall of the score in %", list(rows.values()), table)
        if table.all_warnings():
            marks = " · ".join(warning.split(":")[0] for warning in table.all_warnings())
            figure.text(0.995, 0.005, marks, ha="right", va="bottom", color=WARNING_COLOUR, fontsize=8)
        figure.tight_layout()
        figure.set_layout_engine(None)
    return describe(figure, "By how much each metric of reports falls for each fault, in percent of its best score.")


def _panel(axis: Any, title: str, rows: list[dict[str, Line]], table: AuditTable) -> None:
    falls = np.array([[100 * row[metric].drop for metric in table.metrics] for row in rows])
    axis.imshow(falls, aspect="auto", cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(falls):
        colour = "white" if value >= DARK else "black"
        axis.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour)
    firsts = [next(iter(row.values())) for row in rows]
    axis.set_yticks(range(len(rows)), [f"{line.title} ({line.reports})" for line in firsts])
    axis.set_xticks(range(len(table.metrics)), [METRICS[metric] for metric in table.metrics])
    axis.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axis.grid(False)
    groups = [line.group for line in firsts]
    for place in range(1, len(groups)):
        if groups[place] != groups[place - 1]:
            axis.axhline(place - 0.5, color="white", linewidth=3)
    for group, words in GROUPS.items():
        places = [place for place, name in enumerate(groups) if name == group]
        if places:
            middle, name = (places[0] + places[-1]) / 2, words.removeprefix("what a cardiologist would ")
            axis.text(len(table.metrics) - 0.4, middle, name, rotation=270, ha="left", va="center")
    axis.set_title(title)
