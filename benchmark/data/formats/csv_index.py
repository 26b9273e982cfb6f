"""Index of a large CSV file by the integer in one of its columns, at 16 bytes of memory per row.

One pass records where each row begins; a look-up reads that row again from the file. So two tables can be joined on
a key, whatever the order of their rows, without either being in memory.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmark.data.formats.tables import WrongCells, numbered_rows, require_columns, whole_number
from benchmark.errors import DataError

LINE_BYTES = 1 << 17  # no table that we read has longer lines


class Lines:
    """The text lines of a file for csv.reader, with the byte position of the next line."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file, self.position = path, file, 0

    def __iter__(self) -> Iterator[str]:
        while line := self.file.readline(LINE_BYTES):
            if len(line) == LINE_BYTES and not line.endswith(b"\n"):
                raise DataError(f"{self.path} has a line of more than {LINE_BYTES} bytes")
            self.position += len(line)
            yield line.decode("utf-8-sig" if self.position == len(line) else "utf-8", "replace")


class CsvFile:
    """A CSV file with a header line; rows are lists of text as long as the header. Close it, or use it in `with`."""

    def __init__(self, path: Path, columns: Sequence[str], wrong: WrongCells) -> None:
        self.path, self.wrong = path, wrong
        try:
            self.file = path.open("rb")
        except FileNotFoundError:
            raise DataError(f"{path} is missing; {wrong.remedy}") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error}; {wrong.remedy}") from None
        self.header = next((row for _, _, row in self._rows()), [])
        try:
            require_columns(path, columns, self.header, wrong.remedy)
        except DataError:
            self.file.close()
            raise

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def column(self, name: str) -> int:
        return self.header.index(name)

    def rows(self) -> Iterator[tuple[int, int, list[str]]]:
        """Yield line, byte and cells of each row; rows of a wrong length are noted and skipped."""
        rows = self._rows()
        next(rows, None)
        for line, start, row in rows:
            if len(row) == len(self.header):
                yield line, start, row
            else:
                self.wrong.add(self.path, line, "", f"{len(row)} cells, the header has {len(self.header)}")

    def number(self, row: list[str], column: str, line: int) -> int | None:
        """Return the whole number in a cell; note any other text as wrong and return None."""
        try:
            return whole_number(row[self.header.index(column)].strip())
        except ValueError as error:
            self.wrong.add(self.path, line, column, str(error))
            return None

    def row_at(self, start: int) -> list[str]:
        self.file.seek(start)
        return next(csv.reader(Lines(self.path, self.file)))

    def _rows(self) -> Iterator[tuple[int, int, list[str]]]:
        self.file.seek(0)
        lines = Lines(self.path, self.file)
        start = 0
        for line, row in numbered_rows(str(self.path), lines, self.wrong.remedy):
            if row:
                yield line, start, row
            start = lines.position


class RowIndex:
    """Index of the rows of `file` by the number in its column `key`; duplicate keys raise `DataError`."""

    def __init__(self, file: CsvFile, key: str) -> None:
        self.file = file
        keys, starts = array("q"), array("q")
        for line, start, row in file.rows():
            number = file.number(row, key, line)
            if number is not None:
                keys.append(number)
                starts.append(start)
        numbers = np.frombuffer(keys, np.int64)
        order = np.argsort(numbers, kind="stable")
        self.keys, self.starts = numbers[order], np.frombuffer(starts, np.int64)[order]
        doubled = self.keys[1:][self.keys[1:] == self.keys[:-1]]
        if len(doubled):
            raise DataError(f"{file.path}: {key} {doubled[0]} stands in more than one row; {file.wrong.remedy}")

    def get(self, key: int) -> list[str] | None:
        place = int(np.searchsorted(self.keys, key))
        if place == len(self.keys) or self.keys[place] != key:
            return None
        return self.file.row_at(int(self.starts[place]))
