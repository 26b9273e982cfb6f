"""Score by strength of perturbation and by number of leads; the unperturbed recording is at strength 0.

A line per method, or, where methods are many, dots per method and a figure per perturbation (`dots.py`).
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.data.signals.conditions import SignalCondition
from benchmark.leaderboard.figures import dots
from benchmark.leaderboard.figures.dots import Points
from benchmark.leaderboard.figures.style import describe, grid, legend_above, looks, rows_of, stamp, styled, with_errors
from benchmark.leaderboard.summary import SIGNAL, Entry
from benchmark.leaderboard.table import Table, by_question
from benchmark.leaderboard.tables import Leaderboard

LEADS = "number of leads"


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    figures: dict[str, Figure] = {}
    for table in board.tables:
        panels = _panels(table)
        name = f"robustness-{table.task}-{table.dataset}-{table.label_set}"
        if panels and dots.many(list(panels.values())):
            figures |= {f"{name}-{kind.replace(' ', '_')}": _dots(board, table, kind, panels[kind]) for kind in panels}
        elif panels:
            figures[name] = _figure(board, table, panels)
    return figures or "no task was asked under another condition than the recording as it is"


def _panels(table: Table) -> dict[str, Points]:
    """Return a panel per perturbation and one for few leads; each starts from the unperturbed entry if there is one.

    Questions that differ otherwise (in the label fraction, say) have panels of their own. So have conditions of equal
    strength, such as other leads of the same number.
    """
    panels: dict[str, Points] = {}
    conditions: dict[tuple[str, float], SignalCondition] = {}  # of each panel and level: the first one
    with_signal = [entry for entry in table.body.values() if SIGNAL in entry.variant and entry.values]
    for title, entries in by_question(with_signal, SIGNAL).items():
        for entry in entries:
            condition = SignalCondition.from_json(entry.results[0].signal)
            if condition.perturb and len(condition.leads) < 12:
                continue
            kind = condition.perturb or LEADS
            name, level = f"{kind}, {title}" if title else kind, condition.strength or len(condition.leads)
            if conditions.setdefault((name, level), condition) != condition:
                name = f"{name}, {condition.title}"
            panels.setdefault(name, {}).setdefault(entry.row, {})[level] = entry
    for name, points in panels.items():
        for row, by_level in points.items():
            clean = _clean(table, row, next(iter(by_level.values())))
            if clean is not None:
                by_level[12.0 if name.startswith(LEADS) else 0.0] = clean
    return panels


def _clean(table: Table, row: str, like: Entry) -> Entry | None:
    """Return the entry of the same question on unperturbed recordings."""
    variant = {name: value for name, value in like.variant.items() if name != SIGNAL}
    entries = (e for (name, _), e in table.body.items() if name == row and e.variant == variant and e.values)
    return next(entries, None)


def _figure(board: Leaderboard, table: Table, panels: dict[str, Points]) -> Figure:
    look = looks(rows_of(board))
    caption = (
        f"{table.title}: {table.axis} under perturbed signals and on few leads, with 95 % intervals over patients."
    )
    with styled():
        figure, axes = grid(len(panels), most=3 if len(panels) > 2 else 2)
        for axis, (name, points) in zip(axes, panels.items(), strict=True):
            if name.startswith(LEADS):
                axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            for row in table.all_rows:
                if row in points:
                    _line(axis, points[row], label=board.look.row(row), **look[row])
            axis.set_title(_title(name))
            axis.set_xlabel(LEADS if name.startswith(LEADS) else "strength")
        axes[0].set_ylabel(table.axis)
        legend_above(figure, axes, title=table.title)
        stamp(figure, board)
    return describe(figure, caption)


def _dots(board: Leaderboard, table: Table, kind: str, points: Points) -> Figure:
    """Draw one perturbation; its strengths are the levels, which other perturbations do not share."""
    with styled():
        by_row = {row: points[row] for row in table.all_rows if row in points}
        title = f"{table.title}: {_title(kind)}"
        legend = LEADS if kind.startswith(LEADS) else "strength"
        levels = (legend, lambda level: f"{level:g}")
        figure = dots.draw({title: by_row}, table.baselines, [table.axis], *levels, board.look.row)
        stamp(figure, board)
    return describe(figure, f"{title}, {table.axis} by {legend}, with 95 % intervals over patients.")


def _title(name: str) -> str:
    return name.replace(LEADS, "few leads", 1) if name.startswith(LEADS) else name.replace("_", " ")


def _line(axis: Any, points: dict[float, Entry], **style: Any) -> None:
    where = sorted(points)
    means, errors = with_errors([points[place] for place in where])
    axis.errorbar(where, means, yerr=errors, markersize=4, linewidth=1.2, capsize=2, **style)
