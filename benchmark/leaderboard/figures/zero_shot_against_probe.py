"""Zero-shot against linear probing at the largest label fraction: the gain from labels over reports alone."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.leaderboard.figures.columns import recorded
from benchmark.leaderboard.figures.style import MARKERS, describe, fit, looks, rows_of, single, stamp, styled, wrapped
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.tables import Leaderboard

CAPTION = (
    "Zero-shot classification (first column of its table) against a linear probe with the most labels: what labels add "
    "to what reports taught."
)
LEGEND = 2.4  # inches
PROBE, ZERO_SHOT = "linear_probe", "zero_shot"

Entries = dict[tuple[str, str, str], Entry]  # by row, dataset and label set


def draw(board: Leaderboard) -> dict[str, Figure] | str:
    probes, probe_metrics = _entries(board, PROBE, most_labels=True)
    zero_shots, metrics = _entries(board, ZERO_SHOT, most_labels=False)
    both = [place for place in zero_shots if place in probes]
    if not both:
        return f"no method has both {PROBE} and {ZERO_SHOT} on one label set"
    look = looks(rows_of(board))
    sets = list(dict.fromkeys(place[1:] for place in both))
    with styled():
        figure, axis = single(3.8)
        for place in both:
            marker = MARKERS[sets.index(place[1:]) % len(MARKERS)]
            axis.scatter(probes[place].mean, zero_shots[place].mean, color=look[place[0]]["color"], marker=marker)
        low = min(min(probes[p].mean, zero_shots[p].mean) for p in both) - 0.02
        axis.plot([low, 1], [low, 1], color="grey", linewidth=0.8, linestyle="--")
        if all(entry.results[0].primary.startswith("auroc") for entry in zero_shots.values()):
            axis.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")  # chance
        rows = list(dict.fromkeys(place[0] for place in both))
        handles = [
            axis.scatter([], [], color=look[row]["color"], marker="s", label=wrapped(board.look.row(row), LEGEND))
            for row in rows
        ]
        handles += [
            axis.scatter(
                [],
                [],
                color="grey",
                marker=MARKERS[index % len(MARKERS)],
                label=wrapped(board.look.label_set(*name), LEGEND),
            )
            for index, name in enumerate(sets)
        ]
        axis.set_aspect("equal")
        axis.legend(handles=handles, frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5))
        axis.set_xlabel(f"linear probe ({', '.join(probe_metrics)})")
        axis.set_ylabel(f"zero-shot ({', '.join(metrics)})")
        fit(figure)
        stamp(figure, board)
    return {"zero_shot_against_probe": describe(figure, CAPTION)}


def _entries(board: Leaderboard, task: str, most_labels: bool) -> tuple[Entries, list[str]]:
    """Return the entries of one column of each table on unperturbed recordings, and their metrics.

    The column is that with the most labels, or the first one.
    """
    entries: Entries = {}
    metrics: dict[str, None] = {}
    for table in board.tables:
        if table.task != task:
            continue
        columns = recorded(table) if most_labels else sorted(recorded(table), key=table.columns.index)
        for column in columns:
            results = {row: e for (row, name), e in table.body.items() if name == column and e.values}
            if results:
                entries |= {(row, table.dataset, table.label_set): entry for row, entry in results.items()}
                metrics[table.axis] = None
                break
    return entries, list(metrics)
