"""Texts of others in files of ours: what a spreadsheet, a browser or LaTeX would execute is made plain text.

Row labels, titles, notes and errors come from suites, plug-ins and records, which may be anybody's.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.names import one_line

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # what a spreadsheet takes for the beginning of a formula, or strips before one
_MARKS = re.compile(r"[\\|*]|](?=[(\[:])|&(?=[A-Za-z#][A-Za-z0-9]*;)|<")
_PLAIN = {"&": "&amp;", "<": "&lt;"}


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV with a head, for people and their spreadsheets: a text that begins like a formula gets ``'`` before it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_no_formula, columns))
    writer.writerows(map(_no_formula, row) for row in rows)
    return buffer.getvalue()


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = one_line(value)
    begins = value.startswith(FORMULA) or text.lstrip().startswith(FORMULA)
    return f"'{text}" if begins and not NUMBER.fullmatch(value) else text


def markdown_text(text: str) -> str:
    """`text` within a line of Markdown: no HTML, no link, no image, no new cell and no new line.

    Code between backticks stays code; what is made plain within it shows as it is written.
    """
    return _MARKS.sub(lambda match: _PLAIN.get(match[0], f"\\{match[0]}"), one_line(text))


def markdown_row(cells: Sequence[str]) -> str:
    """A line of a table, of cells that are Markdown already."""
    return f"| {' | '.join(cells)} |"
