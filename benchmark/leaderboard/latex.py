"""The leaderboard as LaTeX with booktabs: tables to ``\\input`` into a paper, and a document that shows them.

Captions state protocol, data, seeds and test, so that each table is complete by itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from benchmark.leaderboard.layout import (
    TRANSPOSED,
    Line,
    baseline_lines,
    head,
    is_transposed,
    lines,
    published_lines,
)
from benchmark.leaderboard.published_rows import HEADING
from benchmark.leaderboard.summaries import SummaryTable, summary_tables
from benchmark.leaderboard.table import TIED, Table
from benchmark.leaderboard.table_facts import reading, recordings
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.words import capital
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
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "²": "$^2$",
    "³": "$^3$",
    "°": r"$^{\circ}$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "−": "$-$",
    "·": r"$\cdot$",
    "—": "---",
    "…": r"\dots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "„": ",,",
}
# combining marks, and the command that sets each
ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", "`'^~=u.\"rHvc", strict=True)
)
PACKAGES = r"\usepackage{booktabs,graphicx}\usepackage[table]{xcolor}"
OWN_ROW = r"\rowcolor{black!10}"
# a table as wide as it is, or as the line where it would stick out
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def tables(board: Leaderboard) -> str:
    """Return all tables, which need the packages booktabs, graphicx and xcolor."""
    return "\n".join([f"% {PACKAGES}", *(_table(board, table) for table in board.tables), *_summaries(board)]) + "\n"


def document(names: Sequence[str]) -> str:
    """Return a document that shows the tables of the files `names`."""
    inputs = "".join(f"\\input{{{name}}}\n" for name in names)
    return (
        f"\\documentclass{{article}}\n\\usepackage[margin=2cm]{{geometry}}\n{PACKAGES}\n"
        f"\\begin{{document}}\n{inputs}\\end{{document}}\n"
    )


def escape(text: str) -> str:
    """Escape plain text for LaTeX, on one line; unknown letters become a question mark, since they would be an error.

    ``{}`` protects ``[``, ``(`` and ``*``, which a preceding rule or line end would take for an option.
    """
    encodable = "".join(map(_letter, unicodedata.normalize("NFC", one_line(text))))
    return f"{{}}{encodable}" if encodable.lstrip().startswith(("[", "(", "*")) else encodable


def _letter(letter: str) -> str:
    if letter in SPECIAL or letter.isascii():
        return SPECIAL.get(letter, letter)
    text, *marks = list(unicodedata.normalize("NFD", letter))
    if not marks or not text.isascii() or any(mark not in ACCENTS for mark in marks):
        return "?"
    for mark in marks:
        text = f"\\{ACCENTS[mark]}{{{text}}}"
    return text


def _table(board: Leaderboard, table: Table) -> str:
    titles = head(table)
    body = [_line(table, line) for line in lines(table)]
    if baselines := baseline_lines(table):
        body += [r"\midrule", *(_line(table, line) for line in baselines)]
    if published := published_lines(table):
        body += [r"\midrule", *(line_of([grey(title), *map(grey, texts)]) for title, texts in published)]
    return "\n".join(
        [
            r"\begin{table}[htb]",
            r"\centering\footnotesize",
            rf"\caption{{{_caption(board, table)}}}",
            rf"\label{{tab:{label_of(board.name, table.task, table.dataset, table.label_set)}}}",
            r"\smallskip",
            FIT,
            rf"\begin{{tabular}}{{l{'r' * (len(titles) - 1)}}}",
            *(r"\toprule", line_of(map(escape, titles)), r"\midrule", *body, r"\bottomrule"),
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _summaries(board: Leaderboard) -> list[str]:
    """Return the tables over many questions; one that does not exist is a comment that says why."""
    return [
        _summary(board, table, number) if table.lines else f"% {one_line(f'{table.title}. {table.about}')}"
        for number, table in enumerate(summary_tables(board), 1)
    ]


def _summary(board: Leaderboard, table: SummaryTable, number: int) -> str:
    rows = [line_of(map(escape, line)) for line in (table.head, *table.lines)]
    return "\n".join(
        [
            r"\begin{table}[htb]",
            r"\centering\footnotesize",
            rf"\caption{{{escape(' '.join([f'{table.title}.', table.about, *_plain_warnings(board)]))}}}",
            rf"\label{{tab:{label_of(board.name, 'summary', str(number))}}}",
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


def line_of(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def grey(text: str) -> str:
    return rf"\textcolor{{gray}}{{{escape(text)}}}"


def number_and_tie(table: Table, row: str, column: str) -> tuple[str, str]:
    """Return the number of an entry, bold or underlined by its rank, and the sign of a tie or nothing.

    The number alone is underlined: a line below its interval would run into the next row.
    """
    number = escape(table.parts(row, column).number)
    ranking = table.rankings[column]
    if row in ranking.best:
        number = rf"\textbf{{{number}}}"
    elif row in ranking.second:
        number = rf"\underline{{{number}}}"
    return number, escape(TIED) if row in ranking.tied else ""


def _line(table: Table, line: Line) -> str:
    cells = [*(_cell(table, row, column) for row, column in line.places), *map(grey, line.published)]
    shade = OWN_ROW if line.row in table.look.own else ""
    return shade + line_of([escape(line.title), *cells])


def _cell(table: Table, row: str, column: str) -> str:
    number, tie = number_and_tie(table, row, column)
    rest = table.parts(row, column)._replace(number="").text
    return " ".join(part for part in (number, escape(rest), tie) if part)


def _caption(board: Leaderboard, table: Table) -> str:
    look = table.look
    parts = [
        f"{table.title}. {capital(table.directed_metric) or 'No result yet'} on {recordings([table])} test recordings.",
        *reading([table], look.spread, look.interval),
    ]
    if is_transposed(table):
        parts.append(TRANSPOSED)
    if table.published:
        parts.append(f"Grey: {HEADING}.")
    parts += _plain_warnings(board)
    return escape(" ".join(parts))


def label_of(*parts: str) -> str:
    """Return parts as a label, in letters that every LaTeX takes."""
    return "-".join("".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in p) for p in parts)
