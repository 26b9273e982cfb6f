"""What a site is made from: the suites whose records lie in a folder, their methods and datasets, and the documents."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError, MissingError
from benchmark.leaderboard import published
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import Cell, Plan, make_plan
from benchmark.planning.plan_file import read_plan
from benchmark.planning.suites import load_suite
from benchmark.records.files import folder_beside, is_archive, records_in
from benchmark.records.store import Store
from benchmark.registry import DATASETS, METHODS, Registry
from benchmark.site.addresses import Place, entry_anchor, file_names, record_page

BUILT_IN = "built-in"


@dataclass(frozen=True)
class SuiteRecords:
    """The records of one suite; `name` is that of their file, and `files` names the page of each row."""

    name: str
    board: Leaderboard
    files: dict[str, str]

    @property
    def plan(self) -> Plan:
        return self.board.plan

    @property
    def source(self) -> str:
        """Return the name of the file or folder of the records, as commands on the pages name it."""
        return self.board.store.root.name

    @property
    def rows(self) -> list[str]:
        """Return the rows of the tables, baselines last."""
        return list(dict.fromkeys(row for table in self.board.tables for row in (*table.rows, *table.baselines)))

    @functools.cached_property
    def comparisons(self) -> list[published.Comparison]:
        return published.beside(self.board.tables, published.load())

    @functools.cached_property
    def method_of(self) -> dict[str, str]:
        """Return the name of the method behind each row."""
        return {entry.row: entry.method for entry in self.board.entries}

    @functools.cached_property
    def weights_of(self) -> dict[str, str]:
        """Return the folder of the weights behind each cell that has weights made here, by the cell's key."""
        return {cell.spec.key: cell.weights_folder for cell in self.plan.cells if cell.weights_folder}

    def page_of(self, row: str) -> str:
        return record_page(self.name, self.files[row])

    def place_of(self, entry: Entry) -> Place | None:
        """Return where the records of an entry are shown; None without a record."""
        if not entry.results:
            return None
        return Place(self.page_of(entry.row), entry_anchor(entry.results[0].key))

    def entries_of(self, row: str) -> Iterator[tuple[Table, str, Entry]]:
        """Yield each entry of a row with its table and the name of its column."""
        for table in self.board.tables:
            for column in table.columns:
                if (row, column) in table.body:
                    yield table, column, table.body[row, column]

    def cells_of(self, method: str) -> dict[str, list[Cell]]:
        """Return the cells of a method by row."""
        cells: dict[str, list[Cell]] = {}
        for cell in self.plan.cells:
            if cell.spec.method == method:
                cells.setdefault(cell.row, []).append(cell)
        return cells

    @property
    def datasets(self) -> list[str]:
        return list(dict.fromkeys(cell.spec.dataset for cell in self.plan.cells))

    @property
    def beside(self) -> Path:
        """Return the folder with the cards of the weights."""
        return folder_beside(self.board.store.root)


@dataclass(frozen=True)
class Contents:
    """Everything that has a page."""

    suites: list[SuiteRecords]
    documents: dict[Path, str] = field(default_factory=dict)  # a document's file -> its page

    @functools.cached_property
    def methods(self) -> list[str]:
        """Return the built-in methods and those of the records; others that are installed here have no page."""
        return _names(METHODS, [method for suite in self.suites for method in suite.method_of.values()])

    @functools.cached_property
    def datasets(self) -> list[str]:
        return _names(DATASETS, [dataset for suite in self.suites for dataset in suite.datasets])

    @functools.cached_property
    def main_suite(self) -> SuiteRecords:
        """Return the suite whose table stands on the overview: real recordings first, then the one with most rows."""
        return max(self.suites, key=lambda suite: (not suite.board.synthetic, len(suite.rows)))

    def page_of_document(self, path: Path) -> str | None:
        return self.documents.get(path)


def read_suites(records: Path) -> list[SuiteRecords]:
    """Return the suites of a folder of records, or the one of a Parquet file.

    Raises `MissingError` where there is none.
    """
    sources = {records.stem: records} if is_archive(records) and records.is_file() else records_in(records)
    if not sources:
        command = f"ecgarena collect SUITE --out {records / 'SUITE.parquet'}"
        raise MissingError(f"{records} holds no records of suites; put some there: {command}")
    names = file_names(sources)
    return [_suite(names[name], path) for name, path in sources.items()]


def _suite(name: str, path: Path) -> SuiteRecords:
    plan = read_plan(path) or make_plan(load_suite(path.stem))
    board = Leaderboard(plan, Store(path))
    return SuiteRecords(name, board, file_names(dict.fromkeys(entry.row for entry in board.entries)))


def _names(registry: Registry[Any], further: list[str]) -> list[str]:
    built_in = [name for name in registry.names() if registry.origin(name) == BUILT_IN]
    return sorted({*built_in, *further})


def class_of(registry: Registry[Any], name: str) -> tuple[Any, str]:
    """Return the class behind a name, and a sentence why there is none: records may be of methods from elsewhere."""
    if name not in registry.names():
        return None, f"No {registry.kind} of this name is installed here, so that its card is not known."
    try:
        return registry.get(name), ""
    except BenchmarkError:
        if registry.origin(name) == BUILT_IN:
            raise
        return None, f"The {registry.kind} of this name that is installed here cannot be imported."
