"""The leaderboard on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from benchmark.leaderboard.tables import Leaderboard, Table


def show(board: Leaderboard) -> None:
    console = Console(highlight=False)
    for table in board.tables:
        shown = RichTable(title=table.title, title_justify="left")
        roomy = _width(table) <= console.width
        for column in ("method", *table.columns):
            shown.add_column(column, justify="left" if column == "method" else "right", no_wrap=roomy)
        for rows in (table.rows, table.baselines):
            for row in rows:
                shown.add_row(escape(row), *(_cell(table, row, column, roomy) for column in table.columns))
            shown.add_section()
        console.print(shown)
    for line in board.warnings():
        console.print(line, style="bold", markup=False, soft_wrap=True)
    for line in board.notes():
        console.print(line, style="dim", markup=False, soft_wrap=True)


def _width(table: Table) -> int:
    """Characters that the table takes with its intervals."""
    widest = (max(len(table.text(row, column)) for row in table.all_rows) for column in table.columns)
    return sum(widest) + 3 * len(table.columns) + max(map(len, [*table.all_rows, "method"])) + 4


def _cell(table: Table, row: str, column: str, roomy: bool) -> str:
    text = escape(table.text(row, column, roomy))
    if table.is_best(row, column):
        return f"[bold green]{text}[/]"
    return f"[underline]{text}[/]" if table.is_second(row, column) else text
