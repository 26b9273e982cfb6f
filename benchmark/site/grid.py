"""Tables over several label sets: rows are methods, columns are grouped by question, every number is a link."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from benchmark.leaderboard.entry_text import entry_parts, entry_text
from benchmark.leaderboard.table import TIED, Table
from benchmark.site.addresses import Place, method_page
from benchmark.site.contents import SuiteRecords


@dataclass(frozen=True)
class GridCell:
    text: str
    mark: str = ""  # "best" or "second" of its column in the suite
    place: Place | None = None
    tip: str = ""


@dataclass(frozen=True)
class GridRow:
    name: str
    place: Place
    is_baseline: bool
    cells: list[GridCell]


@dataclass(frozen=True)
class Grid:
    """All tables of one task and dataset side by side; `groups` has the title and the columns of each."""

    title: str
    metric: str
    groups: list[tuple[str, list[str]]]
    rows: list[GridRow]


def grids(suite: SuiteRecords, rows: Collection[str] | None = None, with_spread: bool = True) -> Iterator[Grid]:
    """Yield a grid for each task and dataset of a suite in which one of `rows` takes part; None stands for all."""
    by_task = itertools.groupby(suite.board.tables, key=lambda table: (table.task, table.dataset, table.facts.protocol))
    for _, group in by_task:
        tables = [table for table in group if rows is None or not rows_of(table, rows).isdisjoint(rows)]
        if tables:
            yield _grid(suite, tables, rows, with_spread)


def rows_of(table: Table, rows: Collection[str] | None) -> set[str]:
    return {row for row in table.all_rows if rows is None or row in rows}


def _grid(suite: SuiteRecords, tables: list[Table], rows: Collection[str] | None, with_spread: bool) -> Grid:
    dataset = dataset_words(tables) if len(tables) > 1 else ""
    metrics = dict.fromkeys(table.directed_metric for table in tables if table.metric)
    baselines = {row for table in tables for row in table.baselines}
    present = set().union(*(rows_of(table, rows) for table in tables))
    names = [row for row in suite.rows if row in present]
    return Grid(
        tables[0].title.replace(tables[0].subject, dataset, 1) if dataset else tables[0].title,
        ", ".join(metrics) or "no result yet",
        [
            (table.subject.removeprefix(dataset).strip(), [table.look.column(column) for column in table.columns])
            for table in tables
        ],
        [
            GridRow(
                tables[0].look.row(row),
                Place(method_page(suite.method_of[row])),
                row in baselines,
                [_cell(suite, table, row, column, with_spread) for table in tables for column in table.columns],
            )
            for row in sorted(names, key=lambda row: row in baselines)
        ],
    )


def dataset_words(tables: list[Table]) -> str:
    """Return the words that the subjects of all tables begin with: the name of their dataset."""
    first, *others = [table.subject.split(" ") for table in tables]
    alike = itertools.takewhile(lambda words: len(set(words)) == 1, zip(first, *others, strict=False))
    return " ".join(words[0] for words in alike) or tables[0].dataset


def _cell(suite: SuiteRecords, table: Table, row: str, column: str, with_spread: bool) -> GridCell:
    entry = table.body.get((row, column))
    if entry is None:
        return GridCell("–")
    parts = entry_parts(entry, table.look)
    short = parts._replace(interval="") if with_spread else parts._replace(interval="", spread="")
    tied = f" {TIED}" if row in table.rankings[column].tied else ""
    mark = "best" if table.is_best(row, column) else "second" if table.is_second(row, column) else ""
    return GridCell(short.text + tied, mark, suite.place_of(entry), entry_text(entry, look=table.look))
