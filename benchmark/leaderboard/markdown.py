"""The leaderboard as one Markdown file."""

from __future__ import annotations

from benchmark.inert import markdown_row, markdown_text
from benchmark.leaderboard import metric_grid as beside
from benchmark.leaderboard import summaries
from benchmark.leaderboard.layout import (
    TRANSPOSED,
    Line,
    baseline_lines,
    head,
    is_transposed,
    lines,
    published_lines,
)
from benchmark.leaderboard.presentation import Presentation
from benchmark.leaderboard.published import Comparison
from benchmark.leaderboard.published_rows import HEADING
from benchmark.leaderboard.submissions import HEAD, SubmittedRow
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard


def markdown(board: Leaderboard, published: list[Comparison]) -> str:
    suite = board.plan.suite
    about = f"Suite `{suite.name}` v{markdown_text(suite.version)}. {markdown_text(suite.about)}"
    parts = [f"# {markdown_text(suite.title)}", about.strip()]
    parts += [f"> **{markdown_text(line)}**" for line in board.warnings()]
    parts += [_section(table) for table in board.tables]
    parts += [beside.markdown(grid) for grid in beside.grids(board)]
    parts += [summaries.markdown(table) for table in summaries.summary_tables(board)]
    if published:
        parts.append(_published(published, board.look))
    if board.submitted_rows:
        parts.append(_submission_table(board.submitted_rows))
    parts.append("## Notes\n\n" + "\n".join(f"- {markdown_text(line)}" for line in board.notes()))
    return "\n\n".join(parts) + "\n"


def _submission_table(rows: list[SubmittedRow]) -> str:
    body = [markdown_row([markdown_text(text) for text in row.texts]) for row in rows]
    return "\n".join(["## Submitted rows", "", markdown_row(list(HEAD)), "|---" * len(HEAD) + "|", *body])


def _section(table: Table) -> str:
    facts = table.facts_line()
    intro = f"{markdown_text(facts)}\n\n" if facts else ""
    if is_transposed(table):
        intro += TRANSPOSED + "\n\n"
    return f"## {markdown_text(table.title)}\n\n{intro}{_table(table)}"


def _table(table: Table) -> str:
    titles = [markdown_text(title) for title in head(table)]
    body = [_line(table, line) for line in lines(table)]
    baselines = [_line(table, line) for line in baseline_lines(table)]
    if baselines:
        baselines.insert(0, markdown_row(["*baselines*", *("" for _ in table.columns)]))
    published = [_published_line(title, texts) for title, texts in published_lines(table)]
    if published:
        published.insert(0, markdown_row([f"*{HEADING}*", *("" for _ in table.columns)]))
    return "\n".join([markdown_row(titles), "|---" * len(titles) + "|", *body, *baselines, *published])


def _line(table: Table, line: Line) -> str:
    cells = [_cell(table, row, column) for row, column in line.places]
    title = markdown_text(line.title)
    return markdown_row([f"**{title}**" if line.row in table.look.own else title, *cells, *map(_grey, line.published)])


def _published_line(title: str, texts: list[str]) -> str:
    return markdown_row([_grey(title), *map(_grey, texts)])


def _grey(text: str) -> str:
    """Return italics, since Markdown has no grey."""
    return f"*{markdown_text(text)}*"


def _cell(table: Table, row: str, column: str) -> str:
    text = markdown_text(table.text(row, column))
    if table.is_best(row, column):
        return f"**{text}**"
    return f"<ins>{text}</ins>" if table.is_second(row, column) else text


def _published(comparisons: list[Comparison], look: Presentation) -> str:
    lines = [
        "## Published beside reproduced",
        "",
        "Published numbers follow their papers' protocols, data and model sizes, not this one; a difference is a "
        "question, not an error of either.",
        "",
        markdown_row(["method", "question", "metric", "published", "here", "difference", "source", "evidence"]),
        "|---" * 8 + "|",
    ]
    for one in comparisons:
        numbers = look.difference(one.own_value, one.published, one.metric)
        texts = [one.row, one.question, look.metric_name(one.metric), *numbers, one.source, one.evidence]
        lines.append(markdown_row([markdown_text(text) for text in texts]))
    return "\n".join(lines)
