"""Foreign texts in our files: anything that a spreadsheet, a browser or LaTeX would execute becomes plain text.

Row labels, titles, notes and errors come from suites, plug-ins and records, which anybody may have written.
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
    """Return a CSV with a head, safe in spreadsheets: a text that begins like a formula gets ``'`` before it."""
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
    """Return `text` for a line of Markdown: no HTML, no link, no image, no new cell and no new line.

    Code between backticks stays code, and escapes within it are visible.
    """
    return _MARKS.sub(lambda match: _PLAIN.get(match[0], f"\\{match[0]}"), one_line(text))


def markdown_row(cells: Sequence[str]) -> str:
    """Return a line of a table, from cells that are Markdown already."""
    return f"| {' | '.join(cells)} |"
