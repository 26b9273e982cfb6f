"""Breakdowns by class and by subgroup as Markdown, LaTeX, CSV, and as plain rows for the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from benchmark.inert import csv_text, markdown_row, markdown_text
from benchmark.leaderboard.breakdown import CLASS, Breakdown, breakdowns, class_scores, read_parts
from benchmark.leaderboard.latex import FIT, PACKAGES, escape, label_of, line_of
from benchmark.leaderboard.spreadsheet import QUESTION, field_columns, fields_of
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.words import capital

EXPLANATION = (
    "In brackets the 95 % interval over patients, the mean over seeds of its bounds. Nothing is ranked or tested."
)


class Grid(NamedTuple):
    """Titles of the columns, and lines that begin with their title; the shorter of rows and parts are the columns."""

    head: list[str]
    lines: list[list[str]]


def grid_of(breakdown: Breakdown) -> Grid:
    """Return the printed form; parts carry their counts: ``CD (496)``."""
    counts, rows, reasons = breakdown.counts, breakdown.rows, breakdown.reasons()
    parts = [part for part in breakdown.parts if part not in reasons]
    titles = {part: f"{part} ({counts[part]})" for part in parts}
    names = {
        row: breakdown.table.look.row(row) + (" (baseline)" if row in breakdown.table.baselines else "") for row in rows
    }
    if len(rows) <= len(parts):
        return Grid(
            [f"{breakdown.kind} ({breakdown.count_words()})", *names.values()],
            [[titles[part], *(breakdown.text(row, part) for row in rows)] for part in parts],
        )
    return Grid(
        ["method", *titles.values()], [[names[row], *(breakdown.text(row, part) for part in parts)] for row in rows]
    )


def facts_line(breakdown: Breakdown) -> str:
    """Return metric, what counts mean, and the parts that have no number."""
    counts = f"behind each {breakdown.kind} the number of its {breakdown.count_words()} in test"
    first = f"{capital(breakdown.table.metric)}; {counts}."
    reasons = breakdown.reasons()
    return f"{first} Left out: {'; '.join(f'{part} ({why})' for part, why in reasons.items())}." if reasons else first


def markdown(board: Leaderboard, kind: str) -> str:
    """Return all breakdowns of a kind as one Markdown file."""
    parts = [f"# {markdown_text(board.plan.suite.title)}: {kind}"]
    parts += [f"> **{markdown_text(line)}**" for line in board.warnings()]
    parts.append(EXPLANATION)
    for breakdown in breakdowns(board, kind):
        grid = grid_of(breakdown)
        rows = [markdown_row([markdown_text(text) for text in line]) for line in (grid.head, *grid.lines)]
        rows.insert(1, "|---" * len(grid.head) + "|")
        parts += [f"## {markdown_text(breakdown.title)}", markdown_text(facts_line(breakdown)), "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def latex(board: Leaderboard, kind: str) -> str:
    """Return all breakdowns of a kind as LaTeX tables."""
    tables = [_latex(board, breakdown) for breakdown in breakdowns(board, kind)]
    return "\n".join([f"% {PACKAGES}", *tables]) + "\n"


def _latex(board: Leaderboard, breakdown: Breakdown) -> str:
    grid, table = grid_of(breakdown), breakdown.table
    warnings = [line.replace("`", "") for line in board.warnings()]
    interval = [EXPLANATION] if table.look.interval else []
    caption = " ".join([f"{breakdown.title}. {facts_line(breakdown)}", *interval, *warnings])
    label = label_of(board.name, table.task, table.dataset, table.label_set, breakdown.column, breakdown.kind)
    return "\n".join(
        [
            r"\begin{table}[htb]",
            r"\centering\footnotesize",
            rf"\caption{{{escape(caption)}}}",
            rf"\label{{tab:{label}}}",
            r"\smallskip",
            FIT,
            rf"\begin{{tabular}}{{l{'r' * (len(grid.head) - 1)}}}",
            *(r"\toprule", line_of(map(escape, grid.head)), r"\midrule"),
            *(line_of(map(escape, line)) for line in grid.lines),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def spreadsheet(board: Leaderboard, kind: str) -> str:
    """Return CSV with a line per entry, part and metric, in all digits and the names of the suite."""
    names = ("class", "positives") if kind == "classes" else ("attribute", "value", "recordings")
    columns = (*QUESTION, *field_columns(board), *names, "metric", "mean", "ci95_low", "ci95_high", "reason")
    lines = _class_lines(board) if kind == "classes" else _subgroup_lines(board)
    return csv_text(columns, ([line.get(name, "") for name in columns] for line in lines))


def _class_lines(board: Leaderboard) -> Iterator[dict[str, object]]:
    """Return every metric of classes that the records hold, not only that of the tables."""
    for breakdown in breakdowns(board, "classes"):
        for row in breakdown.rows:
            records = read_parts(board.store, breakdown.table.body[row, breakdown.column])
            cells = [cell for record in records for cell in record.per_class.values()]
            numbers = (name for cell in cells for name, value in cell.items() if isinstance(value, float))
            for metric in dict.fromkeys(numbers):
                for part, score in class_scores(records, metric).items():
                    place = _place(breakdown, row) | {CLASS: part, "positives": score.count, "metric": metric}
                    yield place | _numbers(score.value, score.interval) | {"reason": score.reason}


def _subgroup_lines(board: Leaderboard) -> Iterator[dict[str, object]]:
    for breakdown in breakdowns(board, "subgroups"):
        for (row, part), score in breakdown.body.items():
            place = _place(breakdown, row) | {"attribute": breakdown.kind, "value": part, "recordings": score.count}
            metric = {"metric": breakdown.table.metric_name, "reason": score.reason}
            yield place | metric | _numbers(score.value, score.interval)


def _place(breakdown: Breakdown, row: str) -> dict[str, object]:
    table = breakdown.table
    names = dict(zip(QUESTION, (row, table.task, table.dataset, table.label_set), strict=True))
    return {**names, **fields_of(table.body[row, breakdown.column])}


def _numbers(value: float | None, interval: Iterable[float] | None) -> dict[str, object]:
    low, high = interval or (None, None)
    numbers = {"mean": value, "ci95_low": low, "ci95_high": high}
    return {name: "" if number is None else f"{number:.6f}" for name, number in numbers.items()}
