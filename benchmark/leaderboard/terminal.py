"""The leaderboard on a terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchmark.leaderboard.tables import Leaderboard, Table
from benchmark.names import one_line
from benchmark.streams import READABLE


def show(board: Leaderboard) -> None:
    """Print all tables, warnings and notes, in letters that stdout can show."""
    console = Console(highlight=False)
    for table in board.tables:
        metric = "" if table.facts.higher_is_better else f": {table.metric}"
        grid = RichTable(title=_text(table.title + metric), title_justify="left")
        roomy = _width(table) <= console.width
        for column in ("method", *table.columns):
            grid.add_column(_text(column), justify="left" if column == "method" else "right", no_wrap=roomy)
        for rows in (table.rows, table.baselines):
            for row in rows:
                grid.add_row(_text(row), *(_cell(table, row, column, roomy) for column in table.columns))
            grid.add_section()
        console.print(grid)
    for line in board.warnings():
        console.print(_text(line, "bold"), soft_wrap=True)
    for line in board.notes():
        console.print(_text(line, "dim"), soft_wrap=True)


def _text(text: str, style: str = "") -> Text:
    """Return text without control characters, in letters that stdout has, so that columns have their printed width."""
    encoding = sys.stdout.encoding or "utf-8"
    return Text(one_line(text).encode(encoding, READABLE).decode(encoding), style)


def _width(table: Table) -> int:
    """Return the width in characters of the table with its intervals."""
    widest = (max(len(table.text(row, column)) for row in table.all_rows) for column in table.columns)
    return sum(widest) + 3 * len(table.columns) + max(map(len, [*table.all_rows, "method"])) + 4


def _cell(table: Table, row: str, column: str, roomy: bool) -> Text:
    text = table.text(row, column, roomy)
    if table.is_best(row, column):
        return _text(text, "bold green")
    return _text(text, "underline") if table.is_second(row, column) else _text(text)
