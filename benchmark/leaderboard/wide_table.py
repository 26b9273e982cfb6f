"""One wide LaTeX table for a paper: methods in lines, label sets and label fractions in grouped columns.

Which tables go into it is said by ``[[wide]]`` in the presentation; without, there is one for each task.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmark.leaderboard.entry_text import EntryParts, entry_parts
from benchmark.leaderboard.latex import FIT, OWN_ROW, PACKAGES, escape, grey, label_of, line_of, number_and_tie
from benchmark.leaderboard.presentation import Presentation, WideTable
from benchmark.leaderboard.published_rows import HEADING
from benchmark.leaderboard.summary import SIGNAL
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.table_facts import reading, recordings
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.words import capital, dataset_words, list_text

MOST = 18  # columns of numbers that can be read across the width of a page


class Column(NamedTuple):
    table: Table
    column: str


@dataclass(frozen=True)
class _Wide:
    """A wide table: its choices, and its columns in groups of one label set each."""

    board: Leaderboard
    choice: WideTable
    columns: list[Column]

    @property
    def look(self) -> Presentation:
        return self.board.look

    def parts(self, row: str, column: Column) -> EntryParts:
        """Return the parts of an entry, whatever other tables show of them."""
        entry = column.table.body.get((row, column.column))
        full = self.look.model_copy(update={"spread": True, "interval": True})
        return EntryParts("–") if entry is None else entry_parts(entry, full)

    @property
    def tables(self) -> list[Table]:
        return [table for table, _ in itertools.groupby(column.table for column in self.columns)]


def wide_tables(board: Leaderboard) -> str:
    """Return all wide tables as LaTeX, which needs the packages booktabs, graphicx and xcolor."""
    choices = board.look.wide or [WideTable(tasks=[task]) for task in dict.fromkeys(t.task for t in board.tables)]
    parts = [f"% {PACKAGES}"]
    for number, choice in enumerate(choices):
        wide = _Wide(board, choice, list(_columns(board, choice)))
        if not board.look.wide and len(wide.columns) > MOST:
            parts.append(f"% {', '.join(choice.tasks)}: {len(wide.columns)} columns; choose some in presentation.toml")
        elif wide.columns:
            parts.append(_latex(wide, number))
    return "\n".join(parts) + "\n"


def _columns(board: Leaderboard, choice: WideTable) -> Iterator[Column]:
    """Return the columns in order; without a choice, those under other conditions than as recorded are left out."""
    tables = [table for table in board.tables if not choice.tasks or table.task in choice.tasks]
    tables = [table for table in tables if not choice.label_sets or _name(table) in choice.label_sets]
    places = {name: place for place, name in enumerate(choice.label_sets)}
    for table in sorted(tables, key=lambda table: (_task_place(choice, table), places.get(_name(table), 0))):
        recorded = [column for column in table.columns if not _has_condition(table, column)]
        for column in choice.columns or recorded or table.columns:
            if column in table.columns:
                yield Column(table, column)


def _name(table: Table) -> str:
    return f"{table.dataset}/{table.label_set}"


def _task_place(choice: WideTable, table: Table) -> int:
    return choice.tasks.index(table.task) if choice.tasks else 0


def _has_condition(table: Table, column: str) -> bool:
    return any(SIGNAL in entry.variant for (_, name), entry in table.body.items() if name == column)


def _latex(wide: _Wide, number: int) -> str:
    groups = [len(list(group)) for _, group in itertools.groupby(wide.columns, key=lambda column: id(column.table))]
    alignment = r"@{\hspace{1em}}".join("r" * size for size in groups)
    label = wide.choice.label or f"tab:{label_of(wide.board.name, 'wide', str(number + 1))}"
    return "\n".join(
        [
            r"\begin{table*}[htb]",
            r"\centering\footnotesize",
            rf"\caption{{{escape(wide.choice.caption or _caption(wide))}}}",
            rf"\label{{{label}}}",
            r"\smallskip",
            FIT,
            rf"\begin{{tabular}}{{l{alignment}}}",
            *(r"\toprule", *_head(wide), r"\midrule", *_body(wide), r"\bottomrule"),
            r"\end{tabular}}",
            rf"\par\smallskip\parbox{{\linewidth}}{{\raggedright {escape(_note(wide))}}}",
            r"\end{table*}",
        ]
    )


def _caption(wide: _Wide) -> str:
    """Return ``Linear probe, PTB-XL: macro AUROC (%).``"""
    tasks = list_text(list(dict.fromkeys(wide.look.task(table.task) for table in wide.tables)))
    datasets = list_text(list(dict.fromkeys(dataset_words(table.dataset) for table in wide.tables)))
    metrics = list_text(list(dict.fromkeys(table.directed_metric for table in wide.tables if table.metric)))
    return f"{tasks}, {datasets}: {metrics or 'no result yet'}."


def _note(wide: _Wide) -> str:
    """Return the author's note, or how to read the table; what warns of the numbers always stands there."""
    choice = wide.choice
    facts = [f"{recordings(wide.tables)} test recordings.", *reading(wide.tables, choice.spread, choice.interval)]
    facts += [f"Grey: {HEADING}."] if any(table.published for table in wide.tables) else []
    lines = [choice.note] if choice.note else facts
    return " ".join([*lines, *(line.replace("`", "") for line in wide.board.warnings())])


def _head(wide: _Wide) -> Iterator[str]:
    """Return the lines of headings: tasks where there are several, label sets, and columns."""
    if len({column.table.task for column in wide.columns}) > 1:
        yield from _spanning(wide, lambda column: wide.look.task(column.table.task))
    yield from _spanning(wide, lambda column: _group_title(wide, column.table), lambda column: id(column.table))
    yield line_of(["Method", *(escape(wide.look.column(column.column)) for column in wide.columns)])


def _spanning(
    wide: _Wide, title: Callable[[Column], str], same: Callable[[Column], Any] | None = None
) -> Iterator[str]:
    """Return a line of headings that span their columns, and the rules below it."""
    cells, rules, first = [""], [], 2
    for _, group in itertools.groupby(wide.columns, key=same or title):
        columns = list(group)
        last = first + len(columns) - 1
        cells.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{escape(title(columns[0]))}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{last}}}")
        first = last + 1
    yield line_of(cells)
    yield "".join(rules)


def _group_title(wide: _Wide, table: Table) -> str:
    """Return ``Superclasses``; with the dataset where there are several, with the metric where they differ."""
    title = table.subject
    own_name = _name(table) in wide.look.names.label_sets
    if not own_name and len({column.table.dataset for column in wide.columns}) == 1:
        title = capital(title.removeprefix(dataset_words(table.dataset)).strip())
    metrics = {column.table.metric for column in wide.columns}
    return f"{title}, {table.metric}" if len(metrics) > 1 and table.metric else title


def _body(wide: _Wide) -> Iterator[str]:
    """Return the lines of methods, then of baselines and of published numbers, each below a rule."""
    tables = wide.tables
    baselines = wide.look.in_order(list(dict.fromkeys(row for table in tables for row in table.baselines)))
    rows = wide.look.in_order(list(dict.fromkeys(row for table in tables for row in table.rows)))
    yield from _lines(wide, [row for row in rows if row not in baselines])
    if baselines:
        yield r"\midrule"
        yield from _lines(wide, baselines)
    titles = dict.fromkeys(row.title for table in tables for row in table.published)
    if titles:
        yield r"\midrule"
    for title in titles:
        yield line_of([grey(title), *(grey(_published(column, title)) for column in wide.columns)])


def _lines(wide: _Wide, rows: Sequence[str]) -> Iterator[str]:
    for row in rows:
        shade = OWN_ROW if row in wide.look.own else ""
        cells = [_cell(wide, row, column) for column in wide.columns]
        yield shade + line_of([escape(wide.look.row(row)), *cells])
        if wide.choice.interval:
            intervals = [escape(wide.parts(row, column).interval) for column in wide.columns]
            yield shade + line_of(["", *(rf"{{\scriptsize {text}}}" for text in intervals)])


def _cell(wide: _Wide, row: str, column: Column) -> str:
    """Return number, spread and tie; in a column with ties every cell leaves room for one, so that numbers align."""
    number, tie = number_and_tie(column.table, row, column.column)
    parts = wide.parts(row, column)
    room = rf"\makebox[.8em][l]{{\,{tie}}}" if column.table.rankings[column.column].tied else ""
    spread = rf"{{\scriptsize\,{escape(parts.spread)}}}" if wide.choice.spread and parts.spread else ""
    absent = rf" {{\scriptsize {escape(parts.absent)}}}" if parts.absent else ""
    return number + spread + room + absent


def _published(column: Column, title: str) -> str:
    row = next((row for row in column.table.published if row.title == title), None)
    if row is None or column.column not in row.values:
        return "–"
    return column.table.look.number(row.values[column.column], column.table.metric_name)
