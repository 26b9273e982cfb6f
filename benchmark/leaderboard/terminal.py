"""The leaderboard on a terminal: names whole, and as many columns beside each other as its width has room for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchmark.leaderboard.layout import published_texts
from benchmark.leaderboard.table import TIED, Table
from benchmark.leaderboard.tables import Leaderboard
from benchmark.names import one_line
from benchmark.streams import READABLE

BORDERS = 4  # of the first column and at the end
GAP = 3  # of every further column

Form = Callable[[Table, str, str], str]  # the text of an entry


def show(board: Leaderboard) -> None:
    """Print all tables, warnings and notes, in letters that stdout can show."""
    console = Console(highlight=False)
    for table in board.tables:
        metric = "" if table.higher_is_better else f": {table.directed_metric}"
        console.print(_text(table.title + metric, "italic"), soft_wrap=True)
        form = next((form for form in (_full, _short, _number) if _width(table, form) <= console.width), _short)
        for columns in _blocks(table, form, console.width):
            console.print(_grid(table, columns, form, console.width))
    for line in board.warnings():
        console.print(_text(line, "bold"), soft_wrap=True)
    for line in board.notes():
        console.print(_text(line, "dim"), soft_wrap=True)


def _full(table: Table, row: str, column: str) -> str:
    return table.text(row, column)


def _short(table: Table, row: str, column: str) -> str:
    """Return an entry without its interval."""
    return table.text(row, column, interval=False)


def _number(table: Table, row: str, column: str) -> str:
    """Return an entry without interval and spread, which the files have."""
    number = table.parts(row, column)._replace(spread="", interval="").text
    return f"{number} {TIED}" if row in table.rankings[column].tied else number


def _grid(table: Table, columns: Sequence[str], form: Form, width: int) -> RichTable:
    grid = RichTable()
    look = table.look
    grid.add_column("method", no_wrap=_names(table) + BORDERS < width)
    for column in columns:
        grid.add_column(_text(look.column(column)), justify="right", no_wrap=True)
    for rows in (table.rows, table.baselines):
        for row in rows:
            name = _text(look.row(row), "bold" if row in look.own else "")
            grid.add_row(name, *(_cell(table, row, column, form) for column in columns))
        grid.add_section()
    by_column = [published_texts(table, column) for column in columns]
    for place, one in enumerate(table.published):
        grid.add_row(_text(one.title, "dim"), *(_text(texts[place], "dim") for texts in by_column))
    return grid


def _blocks(table: Table, form: Form, width: int) -> Iterator[list[str]]:
    """Return the columns in groups that fit beside the names; at least one in each."""
    room = width - _names(table) - BORDERS
    block: list[str] = []
    width_so_far = 0
    for column in table.columns:
        size = _column_width(table, column, form) + GAP
        if block and width_so_far + size > room:
            yield block
            block, width_so_far = [], 0
        block.append(column)
        width_so_far += size
    yield block


def _width(table: Table, form: Form) -> int:
    return sum(_column_width(table, column, form) + GAP for column in table.columns) + _names(table) + BORDERS


def _names(table: Table) -> int:
    """Return the width of the first column in characters."""
    names = [*map(table.look.row, table.all_rows), *(row.title for row in table.published)]
    return max(map(len, ["method", *names]))


def _column_width(table: Table, column: str, form: Form) -> int:
    texts = [form(table, row, column) for row in table.all_rows]
    return max(map(len, [table.look.column(column), *texts, *published_texts(table, column)]))


def _text(text: str, style: str = "") -> Text:
    """Return text without control characters, in letters that stdout has, so that columns have their printed width."""
    encoding = sys.stdout.encoding or "utf-8"
    return Text(one_line(text).encode(encoding, READABLE).decode(encoding), style)


def _cell(table: Table, row: str, column: str, form: Form) -> Text:
    text = form(table, row, column)
    if table.is_best(row, column):
        return _text(text, "bold green")
    return _text(text, "underline") if table.is_second(row, column) else _text(text)
