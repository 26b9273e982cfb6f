"""The leaderboard as LaTeX with booktabs: tables to ``\\input`` into a paper, and a document that shows them.

Captions state protocol, data, seeds and test, so that each table is complete by itself.
"""

from __future__ import annotations

from benchmark.leaderboard.layout import TRANSPOSED, Line, baseline_lines, head, is_transposed, lines
from benchmark.leaderboard.ranking import LEVEL
from benchmark.leaderboard.summaries import SummaryTable, summary_tables
from benchmark.leaderboard.tables import TIED, Leaderboard, Table
from benchmark.names import one_line

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "–": "--",
    "×": r"$\times$",
    "≤": r"$\leq$",
    TIED: r"$\approx$",
    "|": r"\textbar{}",
    "→": r"$\rightarrow$",
    "ä": r"\"a",
    "ö": r"\"o",
    "ü": r"\"u",
    "Ä": r"\"A",
    "Ö": r"\"O",
    "Ü": r"\"U",
    "ß": r"\ss{}",
    "é": r"\'e",
}
# a table as wide as it is, or as the line where it would stick out
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def tables(board: Leaderboard) -> str:
    """Return all tables, which need the packages booktabs and graphicx."""
    return (
        "\n".join(
            ["% \\usepackage{booktabs,graphicx}", *(_table(board, table) for table in board.tables), *_summaries(board)]
        )
        + "\n"
    )


def document(board: Leaderboard, tables_name: str) -> str:
    """Return a document that shows the tables of the file `tables_name`."""
    return (
        "\\documentclass{article}\n\\usepackage[margin=2cm]{geometry}\n\\usepackage{booktabs,graphicx}\n"
        f"\\begin{{document}}\n\\input{{{tables_name}}}\n\\end{{document}}\n"
    )


def escape(text: str) -> str:
    """Escape plain text for LaTeX, on one line; unknown letters become a question mark, since they would be an error.

    ``{}`` protects ``[``, ``(`` and ``*``, which a preceding rule or line end would take for an option.
    """
    encodable = "".join(SPECIAL.get(letter, letter if letter.isascii() else "?") for letter in one_line(text))
    return f"{{}}{encodable}" if encodable.lstrip().startswith(("[", "(", "*")) else encodable


def _table(board: Leaderboard, table: Table) -> str:
    titles = head(table)
    body = [_line(table, line) for line in lines(table)]
    if baselines := baseline_lines(table):
        body += [r"\midrule", *(_line(table, line) for line in baselines)]
    return "\n".join(
        [
            r"\begin{table}[htb]",
            r"\centering\footnotesize",
            rf"\caption{{{_caption(board, table)}}}",
            rf"\label{{tab:{_label(board, table)}}}",
            r"\smallskip",
            FIT,
            rf"\begin{{tabular}}{{l{'r' * (len(titles) - 1)}}}",
            *(r"\toprule", " & ".join(map(escape, titles)) + r" \\", r"\midrule", *body, r"\bottomrule"),
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _summaries(board: Leaderboard) -> list[str]:
    return [_summary(board, table, number) for number, table in enumerate(summary_tables(board), 1)]


def _summary(board: Leaderboard, table: SummaryTable, number: int) -> str:
    rows = [" & ".join(map(escape, line)) + r" \\" for line in (table.head, *table.lines)]
    return "\n".join(
        [
            r"\begin{table}[htb]",
            r"\centering\footnotesize",
            rf"\caption{{{escape(' '.join([f'{table.title}.', table.about, *_plain_warnings(board)]))}}}",
            rf"\label{{tab:{_name(board.name)}-summary-{number}}}",
            r"\smallskip",
            FIT,
            rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
            *(r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"),
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _plain_warnings(board: Leaderboard) -> list[str]:
    return [line.replace("`", "") for line in board.warnings()]


def _line(table: Table, line: Line) -> str:
    return " & ".join([escape(line.title), *(_cell(table, row, column) for row, column in line.places)]) + r" \\"


def _cell(table: Table, row: str, column: str) -> str:
    text = escape(table.text(row, column))
    if table.is_best(row, column):
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if table.is_second(row, column) else text


def _caption(board: Leaderboard, table: Table) -> str:
    results = [result for entry in table.body.values() for result in entry.results]
    seeds = max((len(entry.values) for entry in table.body.values()), default=0)
    test = max((result.n.get("test", 0) for result in results), default=0)
    digests = ", ".join(sorted({result.data_digest for result in results})) or "none"
    tested = [ranking.tested for ranking in table.rankings.values() if ranking.best]
    parts = [
        f"{table.title}. {table.metric or 'No result yet'} on {test} test recordings; "
        f"protocol {table.facts.protocol}, "
        f"data {digests}, up to {seeds} label-subset seeds (mean ± standard deviation); in brackets the 95 % bootstrap "
        "interval over patients. Bold: best, underlined: second.",
    ]
    if any(tested):
        parts.append(f"{TIED}: not separated from the best (paired bootstrap, Holm over the column, {LEVEL:.0%}).")
        parts.append(f"{table.power().capitalize()}.")
    if not all(tested):
        parts.append("No test against the best where records keep no resamples.")
    if is_transposed(table):
        parts.append(TRANSPOSED)
    parts += _plain_warnings(board)
    return escape(" ".join(parts))


def _label(board: Leaderboard, table: Table) -> str:
    parts = (board.name, table.task, table.dataset, table.label_set)
    return "-".join(map(_name, parts))


def _name(text: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in text)
