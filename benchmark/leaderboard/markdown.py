"""The leaderboard as one Markdown file."""

from __future__ import annotations

from benchmark.inert import markdown_row, markdown_text
from benchmark.leaderboard import metric_grid as beside
from benchmark.leaderboard import summaries
from benchmark.leaderboard.layout import TRANSPOSED, Line, baseline_lines, head, is_transposed, lines
from benchmark.leaderboard.published import Comparison
from benchmark.leaderboard.tables import Leaderboard, Table


def markdown(board: Leaderboard, published: list[Comparison]) -> str:
    suite = board.plan.suite
    about = f"Suite `{suite.name}` v{markdown_text(suite.version)}. {markdown_text(suite.about)}"
    parts = [f"# {markdown_text(suite.title)}", about.strip()]
    parts += [f"> **{markdown_text(line)}**" for line in board.warnings()]
    parts += [_section(table) for table in board.tables]
    parts += [beside.markdown(grid) for grid in beside.grids(board)]
    parts += [summaries.markdown(table) for table in summaries.summary_tables(board)]
    if published:
        parts.append(_published(published))
    parts.append("## Notes\n\n" + "\n".join(f"- {markdown_text(line)}" for line in board.notes()))
    return "\n\n".join(parts) + "\n"


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
    return "\n".join([markdown_row(titles), "|---" * len(titles) + "|", *body, *baselines])


def _line(table: Table, line: Line) -> str:
    return markdown_row([markdown_text(line.title), *(_cell(table, row, column) for row, column in line.places)])


def _cell(table: Table, row: str, column: str) -> str:
    text = markdown_text(table.text(row, column))
    if table.is_best(row, column):
        return f"**{text}**"
    return f"<ins>{text}</ins>" if table.is_second(row, column) else text


def _published(comparisons: list[Comparison]) -> str:
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
        numbers = [f"{one.published:.3f}", f"{one.own_value:.3f}", f"{one.own_value - one.published:+.3f}"]
        texts = [one.row, one.question, one.metric, *numbers, one.source, one.evidence]
        lines.append(markdown_row([markdown_text(text) for text in texts]))
    return "\n".join(lines)
