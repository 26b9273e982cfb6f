"""Find rows of a large CSV file by a whole number in one of its columns: 16 bytes of memory per row.

One pass notes where each row begins; a look-up reads that row again from the file. So two tables are joined on a
key, whatever the order of their rows, without either being in memory.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmark.errors import DataError, did_you_mean

LINE_BYTES = 1 << 17  # longer lines are no table of ours


class Lines:
    """The text lines of a file, and where the next row begins; for csv.reader."""

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

    def __init__(self, path: Path, columns: Sequence[str], remedy: str) -> None:
        self.path, self.remedy = path, remedy
        try:
            self.file = path.open("rb")
        except FileNotFoundError:
            raise DataError(f"{path} is missing; {remedy}") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error}; {remedy}") from None
        self.header = next((row for _, row in self._rows()), [])
        missing = [column for column in columns if column not in self.header]
        if missing:
            self.file.close()
            hints = "; ".join(f"{column}{did_you_mean(column, self.header)}" for column in missing)
            raise DataError(f"{path} lacks the column{'s' * (len(missing) > 1)} {hints}; {remedy}")

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def column(self, name: str) -> int:
        return self.header.index(name)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Where each row begins, and its cells; raises `DataError` for a row of another length than the header's."""
        rows = self._rows()
        next(rows, None)
        for start, row in rows:
            if len(row) != len(self.header):
                where = f"{self.path}, the row at byte {start}"
                raise DataError(f"{where}: {len(row)} cells, the header has {len(self.header)}; {self.remedy}")
            yield start, row

    def row_at(self, start: int) -> list[str]:
        self.file.seek(start)
        return next(csv.reader(Lines(self.path, self.file)))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        self.file.seek(0)
        lines = Lines(self.path, self.file)
        reader, start = csv.reader(lines), 0
        try:
            for row in reader:
                if row:
                    yield start, row
                start = lines.position
        except csv.Error as error:
            raise DataError(f"{self.path}, the row at byte {start}: {error}; {self.remedy}") from None


class RowIndex:
    """Rows of `file` by the number in its column `key`; -1 is where there is no such row. Doubled keys are refused."""

    def __init__(self, file: CsvFile, key: str) -> None:
        self.file, position = file, file.column(key)
        keys, starts = array("q"), array("q")
        for start, row in file.rows():
            keys.append(whole_number(row[position], file, key, start))
            starts.append(start)
        numbers = np.frombuffer(keys, np.int64)
        order = np.argsort(numbers, kind="stable")
        self.keys, self.starts = numbers[order], np.frombuffer(starts, np.int64)[order]
        doubled = self.keys[1:][self.keys[1:] == self.keys[:-1]]
        if len(doubled):
            raise DataError(f"{file.path}: {key} {doubled[0]} stands in more than one row; {file.remedy}")

    def get(self, key: int) -> list[str] | None:
        place = int(np.searchsorted(self.keys, key))
        if place == len(self.keys) or self.keys[place] != key:
            return None
        return self.file.row_at(int(self.starts[place]))


def whole_number(text: str, file: CsvFile, column: str, start: int) -> int:
    """The number in a cell (``10000032`` or ``10000032.0``), or a `DataError` that names the place."""
    plain = text.strip().removesuffix(".0")
    if not (plain.isascii() and plain.isdigit() and len(plain) < 19):
        raise DataError(f"{file.path}, the row at byte {start}: {column} is {text[:40]!r}, no number; {file.remedy}")
    return int(plain)
