"""The records of a suite as one Parquet file: a row per cell, whole, with tidy columns for other programs.

``record`` holds the exact bytes of ``record.json`` and ``resampled`` the numbers of ``resampled.f32``: nothing is lost,
and tables from the file equal those from folders byte by byte. The other columns are a copy (`benchmark.records.tidy`).
Each page has a checksum and each row the SHA-256 of its record, so that damage is noticed and named.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.atomic import atomic_path
from benchmark.errors import DataError, MissingError
from benchmark.records.files import Place
from benchmark.records.paths import RECORD, RESAMPLED
from benchmark.records.record import CHANGED, UnusableRecordError, parse_record
from benchmark.records.tidy import FLAG, KINDS, NUMBER, TEXT, WHOLE, kind_of, tidy

if TYPE_CHECKING:
    import pyarrow

FORM = "2026.1"  # of the file; a reader refuses any other
FORM_KEY, PLAN_KEY = b"ecgarena.form", b"ecgarena.plan"
RECORD_COLUMN, RESAMPLED_COLUMN, SHA256_COLUMN = "record", "resampled", "record_sha256"
ROWS_PER_GROUP = 128  # a damaged page spoils at most these; records compress against their neighbours in the group
GROUPS_IN_MEMORY = 64  # about 100 MB of records
LEVEL = 15  # of zstd: a tenth smaller than 9; 800 records take two seconds to write and no longer to read


class Row(NamedTuple):
    """A record as it lies on disk: its place, its files, and the name of its leaderboard's row, where it is known."""

    place: Place
    record: bytes
    resampled: bytes | None = None
    name: str | None = None


class Archive:
    """The files of records that lie in one Parquet file; see `benchmark.records.files.Files`."""

    def __init__(self, path: Path) -> None:
        self.root = path
        about = _stat(path)
        self._content = _open(str(path), about.st_mtime_ns, about.st_size)
        self._size, self._time_ns = about.st_size, about.st_mtime_ns

    def read(self, place: Place, name: str) -> bytes | None:
        return self._content.read(place, name)

    def state(self, place: Place) -> tuple[int, int, int] | None:
        return (self._time_ns, self._size, self._time_ns) if place in self._content.rows else None

    def places(self) -> Iterator[Place]:
        return iter(self._content.rows)

    def plan_text(self) -> str | None:
        code = self._content.metadata.get(PLAN_KEY)
        try:
            return None if code is None else zlib.decompress(base64.b64decode(code)).decode("utf-8")
        except (zlib.error, ValueError) as error:
            raise DataError(f"{self.root}: its plan is damaged ({error}); fetch the file again") from None

    def name_of(self, place: Place) -> str:
        return f"{self.root}: {'/'.join(place)}"

    def all_rows(self) -> list[Row]:
        """Return all rows as they were written; raise `UnusableRecordError` for a damaged one."""
        names = dict(zip(self._content.rows, self._content.names, strict=True))
        return [
            Row(place, self._content.record(place), self.read(place, RESAMPLED), names[place])
            for place in self.places()
        ]


class _Numbers(NamedTuple):
    """A column of lists of numbers as bytes: taking them from pyarrow one by one costs more than all the reading."""

    content: bytes
    starts: list[int]  # of each list in bytes, and the end of the last one
    is_null: list[bool]

    @classmethod
    def of(cls, column: pyarrow.ListArray) -> _Numbers:
        import numpy as np

        values = column.values  # `to_numpy` would import pandas
        numbers = np.frombuffer(values.buffers()[1] or b"", np.float32)[values.offset :][: len(values)]
        content = numbers.astype("<f4", copy=False).tobytes()
        return cls(content, [4 * start for start in column.offsets.to_pylist()], column.is_null().to_pylist())


class _Content:
    """An open file; row groups are read when a record of theirs is asked for."""

    def __init__(self, path: str) -> None:
        import pyarrow
        import pyarrow.parquet

        self.path = path
        try:
            self._file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
            self.metadata: dict[bytes, bytes] = self._file.schema_arrow.metadata or {}
            self._check_form()
            columns = ["task", "method", "key", "row"]
            groups = [self._file.read_row_group(number, columns, use_threads=False) for number in self._numbers()]
        except (pyarrow.ArrowException, OSError, ValueError, LookupError) as error:
            raise DataError(f"{path} is no file of records, or is damaged ({error}); fetch it again") from None
        self.rows: dict[Place, tuple[int, int]] = {}
        self.names: list[str | None] = []
        for number, group in enumerate(groups):
            task, method, key, row = (group[column].to_pylist() for column in columns)
            places = zip(task, method, key, strict=True)
            self.rows |= {place: (number, index) for index, place in enumerate(places)}
            self.names += row
        self._columns: OrderedDict[tuple[int, str], Any] = OrderedDict()

    def read(self, place: Place, name: str) -> bytes | None:
        if name == RECORD:
            return self.record(place) if place in self.rows else None
        if name != RESAMPLED or place not in self.rows:
            return None
        number, index = self.rows[place]
        column = self._column(number, RESAMPLED_COLUMN)
        return None if column.is_null[index] else column.content[column.starts[index] : column.starts[index + 1]]

    def record(self, place: Place) -> bytes:
        """Return the bytes of a record; raise `UnusableRecordError` where they are not those that were written."""
        number, index = self.rows[place]
        content: bytes = self._column(number, RECORD_COLUMN)[index].as_py()
        expected: str = self._column(number, SHA256_COLUMN)[index].as_py()
        if hashlib.sha256(content).hexdigest() != expected:
            raise UnusableRecordError(CHANGED)
        return content

    def _column(self, number: int, name: str) -> Any:
        """Return a column of a row group, from memory if it was used lately; resamples as `_Numbers`."""
        import pyarrow

        if (number, name) in self._columns:
            self._columns.move_to_end((number, name))
            return self._columns[number, name]
        try:
            column = self._file.read_row_group(number, [name], use_threads=False)[name].combine_chunks()
        except (pyarrow.ArrowException, OSError, ValueError, LookupError) as error:
            raise UnusableRecordError(
                f"rows {number * ROWS_PER_GROUP} and after of {self.path} cannot be read ({error}); fetch it again"
            ) from None
        if name == RESAMPLED_COLUMN:
            column = _Numbers.of(column)
        self._columns[number, name] = column
        if len(self._columns) > 3 * GROUPS_IN_MEMORY:
            self._columns.popitem(last=False)
        return column

    def _numbers(self) -> range:
        return range(self._file.metadata.num_row_groups)

    def _check_form(self) -> None:
        form = self.metadata.get(FORM_KEY, b"").decode()
        if form != FORM:
            kind = f"has the form {form}, this version reads {FORM}" if form else "is no file of records"
            raise DataError(f"{self.path} {kind}: use the ecgarena that wrote it, or collect the records again")


def write_archive(path: Path, rows: Iterable[Row], plan: str | None = None) -> None:
    """Write records, in the order of their places, and the text of their plan into one file, in one move.

    Raises `UnusableRecordError` for a row that is no whole record. Equal records give equal bytes.
    """
    import pyarrow
    import pyarrow.parquet

    in_order = sorted(rows, key=lambda row: row.place)
    table = _table(in_order).replace_schema_metadata(_metadata(plan))
    texts = [field.name for field in table.schema if pyarrow.types.is_string(field.type)]
    with atomic_path(path) as temporary:
        pyarrow.parquet.write_table(
            table,
            temporary,
            row_group_size=ROWS_PER_GROUP,
            compression="zstd",
            compression_level=LEVEL,
            use_dictionary=[name for name in texts if name not in ("key", SHA256_COLUMN)],
            column_encoding={f"{RESAMPLED_COLUMN}.list.element": "BYTE_STREAM_SPLIT"},
            write_page_checksum=True,
        )


def _table(rows: list[Row]) -> pyarrow.Table:
    import numpy as np
    import pyarrow

    flat = [_tidy_row(row) for row in rows]
    metrics = sorted({name for row in flat for name in row} - KINDS.keys())
    types = {TEXT: pyarrow.string(), NUMBER: pyarrow.float64(), WHOLE: pyarrow.int64(), FLAG: pyarrow.bool_()}
    columns = {
        name: pyarrow.array([row.get(name) for row in flat], types[kind_of(name)]) for name in (*KINDS, *metrics)
    }
    arrays = [None if row.resampled is None else np.frombuffer(row.resampled, "<f4") for row in rows]
    columns[RESAMPLED_COLUMN] = pyarrow.array(arrays, pyarrow.list_(pyarrow.float32()))
    columns[SHA256_COLUMN] = pyarrow.array([hashlib.sha256(row.record).hexdigest() for row in rows], pyarrow.string())
    columns[RECORD_COLUMN] = pyarrow.array([row.record for row in rows], pyarrow.binary())
    return pyarrow.table(columns)


def _tidy_row(row: Row) -> dict[str, Any]:
    """Return the tidy columns of a row; raise `UnusableRecordError` where a file of its is not whole."""
    record = parse_record(row.record, row.place[2])
    expected = record.files.get(RESAMPLED)
    digest = None if row.resampled is None else hashlib.sha256(row.resampled).hexdigest()
    if (expected is not None and digest != expected) or len(row.resampled or b"") % 4:
        raise UnusableRecordError(f"{'/'.join(row.place)}: its {RESAMPLED} is not the one that was written with it")
    return tidy(record, row.name)


def _metadata(plan: str | None) -> dict[bytes, bytes]:
    code = {} if plan is None else {PLAN_KEY: base64.b64encode(zlib.compress(plan.encode(), 9))}
    return {FORM_KEY: FORM.encode(), **code}


def _stat(path: Path) -> Any:
    try:
        return path.stat()
    except FileNotFoundError:
        folder = path.with_suffix("")
        beside = f"; the records are in the folder {folder}" if folder.is_dir() else ""
        raise MissingError(f"there is no file {path}{beside}") from None


@functools.lru_cache(maxsize=4)
def _open(path: str, time_ns: int, size: int) -> _Content:
    """Return an open file; one that has been replaced since (another time or size) is opened anew."""
    return _Content(path)
