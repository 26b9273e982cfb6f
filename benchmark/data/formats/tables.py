"""Reader of a dataset's CSV tables as text; all wrong cells are collected into one error.

A loader opens one `WrongCells` for all of its tables and reads cells through `Row.cell`, which notes cells that it
cannot convert and continues. At the end the loader calls `WrongCells.refuse`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmark.errors import DataError, did_you_mean, raise_all

T = TypeVar("T")
MOST_NAMED = 20  # wrong cells named in an error; the others are counted
BROKEN = (  # raised by int, float, ast.literal_eval and look-ups for invalid text
    *(ValueError, SyntaxError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError, MemoryError),
)


class WrongCells:
    """The collected errors in the tables of a dataset, by file, line and column."""

    def __init__(self, remedy: str) -> None:
        self.remedy, self.count = remedy, 0
        self.problems: list[str] = []

    def add(self, file: object, line: int, column: str, problem: str) -> None:
        """Note a wrong cell, or a wrong line if `column` is ""; lines are counted from 1 and include the header."""
        self.count += 1
        if len(self.problems) < MOST_NAMED:
            place = f"{file}, line {line}" + (f", column {column}" if column else "")
            self.problems.append(f"{place}: {problem[:200]}")

    def refuse(self) -> None:
        """Raise one `DataError` that names the first `MOST_NAMED` wrong cells; do nothing if there are none."""
        more = self.count - len(self.problems)
        problems = self.problems + ([f"... and {more:,} more"] if more else [])
        raise_all(problems, f"{self.count:,} wrong cell{'s' if self.count > 1 else ''}; {self.remedy}:", DataError)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table; it begins at `line` of its file."""

    file: str
    line: int
    cells: Mapping[str, str]
    wrong: WrongCells

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def cell(self, column: str, convert: Callable[[str], T], otherwise: T) -> T:
        """Return the converted cell; if `convert` raises, note the cell as wrong and return `otherwise`."""
        try:
            return convert(self.cells[column].strip())
        except BROKEN as error:
            self.wrong.add(self.file, self.line, column, str(error) or type(error).__name__)
            return otherwise


def whole_number(text: str) -> int:
    """Convert ``"12"`` or ``"12.0"``; raise ValueError for anything else."""
    plain = text.removesuffix(".0")
    if not (plain.isascii() and plain.isdigit() and len(plain) < 19):
        raise ValueError(f"is {text[:40]!r}, it must be a whole number")
    return int(plain)


def without_point_zero(text: str) -> str:
    """Return ``"12"`` for ``"12.0"``, as tables write a whole number where another cell is empty; other texts stay."""
    plain = text.removesuffix(".0")
    return plain if plain.removeprefix("-").isdecimal() else text  # the diagnosis I48.0 is not I48


def zero_or_one(text: str) -> bool:
    """Convert a label's cell, ``"0"``, ``"1"`` or either with ``".0"``; raise ValueError for anything else."""
    if text not in ("0", "1", "0.0", "1.0"):
        raise ValueError(f"is {text[:40]!r}, it must be 0 or 1")
    return text[0] == "1"


def not_empty(text: str) -> str:
    """Return the text; raise ValueError if it is empty."""
    if not text:
        raise ValueError("is empty")
    return text


def read_table(path: Path, columns: Sequence[str], wrong: WrongCells, key: str | None = None) -> list[Row]:
    """Read `columns` of a CSV file as text; empty cells are "". A column "" is the first one, whatever its name.

    Cells in the column `key` must be unique. Raises `DataError` if the file is missing, empty, not a CSV file or
    lacks a column; repeated keys and rows that are too short or too long are noted in `wrong`.
    """
    rows = list(stream_table(path, columns, wrong))
    if not rows and not wrong.count:
        raise DataError(f"{path} has no rows; {wrong.remedy}")
    if key is not None:
        _note_doubled(rows, key)
    return rows


def stream_table(path: Path, columns: Sequence[str], wrong: WrongCells) -> Iterator[Row]:
    """Yield what `read_table` returns, row by row: for tables of which a list would fill the memory."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from named_rows(str(path), file, columns, wrong)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {wrong.remedy}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no readable CSV file: {error}; {wrong.remedy}") from None


def _note_doubled(rows: Sequence[Row], key: str) -> None:
    keys: set[str] = set()
    for row in rows:
        if row[key] in keys:
            row.wrong.add(row.file, row.line, key, f"is {row[key][:40]!r} once more")
        keys.add(row[key])


def named_rows(name: str, lines: Iterable[str], columns: Sequence[str], wrong: WrongCells) -> Iterator[Row]:
    """Yield the rows after a header; `lines` may be an open file. Raises `DataError` for a missing column."""
    rows = ((line, row) for line, row in numbered_rows(name, lines, wrong.remedy) if row)
    _, header = next(rows, (1, []))
    require_columns(name, columns, header, wrong.remedy)
    places = [(column, header.index(column) if column else 0) for column in columns]
    for line, cells in rows:
        if len(cells) == len(header):
            yield Row(name, line, {column: cells[place] for column, place in places}, wrong)
        else:
            wrong.add(name, line, "", f"{len(cells)} cells, the header has {len(header)}")


def numbered_rows(name: str, lines: Iterable[str], remedy: str) -> Iterator[tuple[int, list[str]]]:
    """Yield every row (blank lines as empty rows) with its first line; raise `DataError` for invalid CSV."""
    reader, line = csv.reader(lines), 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {line}: {error}; {remedy}") from None


def require_columns(name: object, columns: Sequence[str], header: Sequence[str], remedy: str) -> None:
    """Raise one `DataError` that names every column missing from the header, or standing there more than once."""
    missing = [column for column in columns if column and column not in header]
    if missing:
        hints = "; ".join(f"{column}{did_you_mean(column, header)}" for column in missing)
        raise DataError(f"{name} lacks the column{'s' * (len(missing) > 1)} {hints}; {remedy}")
    doubled = [column for column in columns if column and header.count(column) > 1]
    if doubled:
        raise DataError(f"{name} has {', '.join(doubled)} more than once, so nobody knows which one to read; {remedy}")
