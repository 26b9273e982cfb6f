"""The leaderboard as CSV: one line per entry, for further computation."""

from __future__ import annotations

from benchmark.inert import csv_text
from benchmark.leaderboard.ranking import Ranking
from benchmark.leaderboard.recipes import COLUMNS as RECIPE_COLUMNS
from benchmark.leaderboard.recipes import recipe_cells
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.tables import Leaderboard
from benchmark.metrics.spread import Spread

COLUMNS = (
    *("method", "task", "dataset", "label_set", "variant", "metric", "mean", "sd_over_seeds", "ci95_low", "ci95_high"),
    *("sd_patients", "sd_trainings", "sd_subsets", "sd_rest", "trainings"),
    *("mark", "p_against_best", "smallest_difference", "seeds", "missing", "failed", "n_train", "n_test"),
    *("synthetic", "partial", "protocol", "data_digest", "records", "note"),
)


def spreadsheet(board: Leaderboard) -> str:
    """Return the text of the file; how options were chosen has columns where the suite says so."""
    recipes = recipe_cells(board.plan.suite)
    columns = (*COLUMNS, *RECIPE_COLUMNS) if recipes else COLUMNS
    lines = []
    for table in board.tables:
        for column in table.columns:
            ranking = table.rankings[column]
            marks = ((ranking.best, "best"), (ranking.second, "second"), (ranking.tied - ranking.best, "tied"))
            for row in table.all_rows:
                entry = table.body.get((row, column))
                if entry is not None:
                    mark = "+".join(name for rows, name in marks if row in rows)
                    lines.append({**_line(entry, mark, ranking, row), **recipes.get(row, {})})
    return csv_text(columns, ([line.get(name, "") for name in columns] for line in lines))


def _line(entry: Entry, mark: str, ranking: Ranking, row: str) -> dict[str, object]:
    first = entry.results[0] if entry.results else None
    low, high = (entry.interval if entry.values else None) or (None, None)
    numbers = {"mean": entry.mean if entry.values else None, "sd_over_seeds": entry.spread if entry.values else None}
    numbers |= {"ci95_low": low, "ci95_high": high, "p_against_best": ranking.p_values.get(row)}
    numbers |= {"smallest_difference": ranking.smallest, **_by_source(entry)}
    return {
        "method": entry.row,
        "task": entry.task,
        "dataset": entry.dataset,
        "label_set": entry.label_set,
        "variant": ";".join(f"{name}={value}" for name, value in entry.variant.items()),
        "metric": first.primary if first else "",
        **{name: "" if value is None else f"{value:.6f}" for name, value in numbers.items()},
        "trainings": entry.trainings,
        "mark": mark,
        "seeds": len(entry.values),
        "missing": entry.missing,
        "failed": entry.failures,
        "n_train": first.n.get("train", "") if first else "",
        "n_test": first.n.get("test", "") if first else "",
        "synthetic": first.synthetic if first else "",
        "partial": first.partial if first else "",
        "protocol": first.protocol if first else "",
        "data_digest": first.data_digest if first else "",
        "records": " ".join(result.key for result in entry.results),
        "note": "; ".join(first.notes) if first else "",
    }


def _by_source(entry: Entry) -> dict[str, float | None]:
    """Return the standard deviations of `Spread` as columns."""
    spread = entry.by_source or Spread(None, None, None, None)
    return {f"sd_{name}": getattr(spread, name) for name in ("patients", "trainings", "subsets", "rest")}
