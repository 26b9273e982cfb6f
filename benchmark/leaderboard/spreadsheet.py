"""The leaderboard as CSV: one line per entry and metric, one column per field of the tasks, for further computation.

All digits, all metrics and the names of the suite, whatever the presentation says. Marks and p-values stand beside the
metric of the tables alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.inert import csv_text
from benchmark.leaderboard.metric_choice import metrics_of, under
from benchmark.leaderboard.ranking import Ranking
from benchmark.leaderboard.recipes import COLUMNS as RECIPE_COLUMNS
from benchmark.leaderboard.recipes import recipe_cells
from benchmark.leaderboard.submissions import FLAGS
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard
from benchmark.metrics.spread import Spread

QUESTION = ("method", "task", "dataset", "label_set")
NUMBERS = (
    *("mean", "sd_over_seeds", "ci95_low", "ci95_high"),
    *("sd_patients", "sd_trainings", "sd_subsets", "sd_rest"),
)
FACTS = (
    *("trainings", "mark", "p_against_best", "smallest_difference", "seeds", "missing", "failed", "n_train", "n_test"),
    *("synthetic", "partial", "protocol", "data_digest", "seed", "records", "note"),
)
OWN_COLUMNS = (*QUESTION, "metric", *NUMBERS, *FACTS, *RECIPE_COLUMNS)


def spreadsheet(board: Leaderboard) -> str:
    """Return the text of the file; how options were chosen has columns where the suite says so."""
    recipes = recipe_cells(board.plan.suite)
    lines = [line for table in board.tables for column in table.columns for line in _lines(table, column)]
    lines = [line | recipes.get(str(line["method"]), {}) for line in lines]
    flags = {one.row: {name: getattr(one, name) for name in FLAGS} for one in board.submitted_rows}
    lines = [line | flags.get(str(line["method"]), {}) for line in lines]
    columns = (*QUESTION, *field_columns(board), "metric", *NUMBERS, *FACTS, *(RECIPE_COLUMNS if recipes else ()))
    columns = (*columns, *(FLAGS if flags else ()))
    return csv_text(columns, ([line.get(name, "") for name in columns] for line in lines))


def _lines(table: Table, column: str) -> Iterator[dict[str, object]]:
    ranking = table.rankings[column]
    for row in table.all_rows:
        entry = table.body.get((row, column))
        if entry is None:
            continue
        yield _line(entry) | _marks(ranking, row)
        for metric in metrics_of([entry]):
            if metric != table.metric_name:
                yield _line(under(entry, metric))
    for one in table.published:
        if column in one.values:
            question = {"method": one.method, "task": table.task, "dataset": table.dataset}
            source = {"mark": "published", "note": f"{one.citation} ({one.evidence})"}
            place = {"label_set": table.label_set, **fields_of(_any_entry(table, column)), "metric": table.metric_name}
            yield {**question, **place, "mean": f"{one.values[column]:.6f}", **source}


def _any_entry(table: Table, column: str) -> Entry:
    return next(entry for (_, name), entry in table.body.items() if name == column)


def _marks(ranking: Ranking, row: str) -> dict[str, object]:
    marks = ((ranking.best, "best"), (ranking.second, "second"), (ranking.tied - ranking.best, "tied"))
    p, smallest = ranking.p_values.get(row), ranking.smallest
    return {
        "mark": "+".join(name for rows, name in marks if row in rows),
        "p_against_best": "" if p is None else f"{p:.6g}",
        "smallest_difference": "" if smallest is None else f"{smallest:.6f}",
    }


def _line(entry: Entry) -> dict[str, object]:
    first = entry.results[0] if entry.results else None
    low, high = (entry.interval if entry.values else None) or (None, None)
    mean, spread = (entry.mean, entry.spread) if entry.values else (None, None)
    numbers = {"mean": mean, "sd_over_seeds": spread, "ci95_low": low, "ci95_high": high, **_by_source(entry)}
    return {
        "method": entry.row,
        "task": entry.task,
        "dataset": entry.dataset,
        "label_set": entry.label_set,
        **fields_of(entry),
        "metric": first.primary if first else "",
        **{name: "" if value is None else f"{value:.6f}" for name, value in numbers.items()},
        "trainings": entry.trainings,
        "seeds": len(entry.values),
        "missing": entry.missing,
        "failed": entry.failures,
        "n_train": first.n.get("train", "") if first else "",
        "n_test": first.n.get("test", "") if first else "",
        "synthetic": first.synthetic if first else "",
        "partial": first.partial if first else "",
        "protocol": first.protocol if first else "",
        "data_digest": first.data_digest if first else "",
        "seed": " ".join(str(result.seed) for result in entry.results if result.seed is not None),
        "records": " ".join(result.key for result in entry.results),
        "note": "; ".join(first.notes) if first else "",
    }


def field_columns(board: Leaderboard) -> list[str]:
    """Return a column for each field of the tasks, and for the condition of signals."""
    return list(dict.fromkeys(name for entry in board.entries for name in fields_of(entry)))


def fields_of(entry: Entry) -> dict[str, object]:
    """Return the fields of an entry by column."""
    return {_field_column(name): value for name, value in entry.variant.items()}


def _field_column(name: str) -> str:
    """Return the column of a task's field; one that is called like a column of ours gets ``task_`` before it."""
    return f"task_{name}" if name in OWN_COLUMNS else name


def _by_source(entry: Entry) -> dict[str, float | None]:
    """Return the standard deviations of `Spread` as columns."""
    spread = entry.by_source or Spread(None, None, None, None)
    return {f"sd_{name}": getattr(spread, name) for name in ("patients", "trainings", "subsets", "rest")}
