"""The index of a folder: a CSV or Parquet table, read by the columns that ``dataset.toml`` names."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, isnan
from pathlib import Path, PurePath
from typing import Any

from benchmark.api import RecordingEntry
from benchmark.data.formats.tables import (
    Row,
    WrongCells,
    not_empty,
    read_table,
    require_columns,
    whole_number,
    without_point_zero,
)
from benchmark.data.labels.splits import hashed_split
from benchmark.data.reports.report_texts import real_report
from benchmark.datasets.folder.answers import labels_of, note_unused_codes, number_of
from benchmark.datasets.folder.description import Description
from benchmark.datasets.folder.signal_files import is_array
from benchmark.errors import DataError, brief


@dataclass(frozen=True)
class Place:
    """Where a recording lies: a file, and its place in it where the file holds many."""

    path: str
    row: int | None = None

    def __str__(self) -> str:
        return self.path if self.row is None else f"{self.path}, row {self.row}"


def read_entries(description: Description, file: Path, root: Path) -> list[RecordingEntry]:
    """Return an entry per row; raise one `DataError` for all wrong cells. `file` is the description's own."""
    wrong = WrongCells(f"correct the index, or what {file} says about it")
    rows = _read_index(root / description.index, columns_of(description), wrong, description.columns.record)
    rows = [_composed(row, description.columns.path) for row in rows]
    readers = _Readers(description)
    entries = [readers.entry(row) for row in rows]
    _note_files_in_two_splits(entries, rows, wrong, description.columns.path)
    _note_what_arrays_lack(description, rows, wrong, file)
    note_unused_codes(description.label_sets, rows, wrong, file)
    wrong.refuse()
    return entries


def columns_of(description: Description) -> list[str]:
    """Return the columns that are read, each once."""
    own = [name for name in description.columns.model_dump().values() if name]
    labels = [column for table in description.label_sets.values() for column in table.column_names()]
    numbers = [number.column for number in description.targets.values()]
    split = [description.split.column] if description.split.column else []
    return list(dict.fromkeys([*own, *split, *labels, *numbers]))


class _Readers:
    """The conversion of a row's cells into an entry."""

    def __init__(self, description: Description) -> None:
        self.columns, self.split, self.language = description.columns, description.split, description.language
        self.label_sets = {name: labels_of(name, table) for name, table in description.label_sets.items()}
        self.numbers = {name: (number.column, number_of(number)) for name, number in description.targets.items()}
        self.split_of = _one_of(description.split.values())
        self.sex_of = _one_of(description.sexes.values())

    def entry(self, row: Row) -> RecordingEntry:
        columns = self.columns
        patient = row.cell(columns.patient, _patient, "")
        place = row.cell(columns.path, not_empty, "")
        return RecordingEntry(
            record_id=row.cell(columns.record, not_empty, ""),
            patient_id=patient,
            split=self._split(row, patient),
            labels={name: labels(row) for name, labels in self.label_sets.items()},
            report=row[columns.report] if columns.report else "",
            locator=Place(place, row.cell(columns.row, whole_number, 0) if columns.row else None),
            age=row.cell(columns.age, _age, None) if columns.age else None,
            sex=row.cell(columns.sex, lambda text: self.sex_of(text) if text else None, None) if columns.sex else None,
            device=(" ".join(row[columns.device].split()) or None) if columns.device else None,
            language=self.language,
            targets=self._targets(row),
        )

    def _targets(self, row: Row) -> dict[str, float]:
        """Return the known numbers of a row."""
        values = {name: row.cell(column, convert, None) for name, (column, convert) in self.numbers.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _split(self, row: Row, patient: str) -> str:
        split = self.split
        if split.column:
            return row.cell(split.column, self.split_of, "")
        assert split.seed is not None and split.val_share is not None and split.test_share is not None
        return hashed_split(split.seed, patient, split.val_share, split.test_share)


def _composed(row: Row, path: str) -> Row:
    """Return the row with composed letters, as descriptions are typed; paths stay as the file system has them."""
    if all(map(str.isascii, row.cells.values())):
        return row
    cells = {name: text if name == path else unicodedata.normalize("NFC", text) for name, text in row.cells.items()}
    return replace(row, cells=cells)


def _patient(text: str) -> str:
    """Return the id of a patient; all recordings of a placeholder would count as one person's."""
    if text and not real_report(text):
        raise ValueError(
            f"is {text!r}, which stands for no patient: give each recording of nobody known an id of its own"
        )
    return not_empty(text)


def _age(text: str) -> float | None:
    """Parse years; an empty cell is an unknown age."""
    try:
        age = float(text or "nan")
    except ValueError:
        raise ValueError(f"is {text[:40]!r}, it must be a number of years or empty") from None
    return None if isnan(age) else age


def _one_of(values: Mapping[str, str]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        plain = text if text in values else without_point_zero(text)
        if plain not in values:
            raise ValueError(f"is {text[:40]!r}, the description knows {', '.join(values)}")
        return values[plain]

    return convert


def _note_files_in_two_splits(
    entries: Sequence[RecordingEntry], rows: Sequence[Row], wrong: WrongCells, column: str
) -> None:
    """Note each recording whose file serves another split as well: the test would hold what was learnt from."""
    first: dict[tuple[PurePath, int | None], tuple[str, int]] = {}
    for entry, row in zip(entries, rows, strict=True):
        place = entry.locator
        assert isinstance(place, Place)
        path = PurePath(place.path)
        path = path.with_suffix("") if path.suffix in (".hea", ".dat") else path
        split, line = first.setdefault((path, place.row), (entry.split, row.line))
        if split != entry.split and place.path:
            problem = f"is {str(place)[:60]!r}, which line {line} has for {split}: one signal would be in two splits"
            wrong.add(row.file, row.line, column, problem)


def _note_what_arrays_lack(description: Description, rows: Sequence[Row], wrong: WrongCells, file: Path) -> None:
    """Note once that array files name neither leads nor unit, where the description does not either."""
    signals, column = description.signals, description.columns.path
    needs = {"signals.leads": signals.leads, "signals.unit or signals.units_per_millivolt": signals.per_millivolt()}
    missing = " and ".join(key for key, value in needs.items() if value is None)
    first = next((row for row in rows if is_array(PurePath(row[column].strip()))), None) if missing else None
    if first is not None:
        wrong.add(
            first.file, first.line, column, f"{first[column][:40]!r} holds numbers alone: add {missing} to {file}"
        )


# --- tables --------------------------------------------------------------------------------------


def _read_index(path: Path, columns: Sequence[str], wrong: WrongCells, key: str) -> list[Row]:
    if path.suffix.lower() != ".parquet":
        return read_table(path, columns, wrong, key)
    rows = list(_parquet_rows(path, columns, wrong))
    if not rows:
        raise DataError(f"{path} has no rows; {wrong.remedy}")
    keys: set[str] = set()
    for row in rows:
        if row[key] in keys:
            wrong.add(row.file, row.line, key, f"is {row[key][:40]!r} once more")
        keys.add(row[key])
    return rows


def _parquet_rows(path: Path, columns: Sequence[str], wrong: WrongCells) -> list[Row]:
    """Return the rows as texts; they are counted from 1."""
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {wrong.remedy}") from None
    except ImportError:
        raise DataError(f"{path} needs pyarrow to be read: pip install pyarrow, or save the index as CSV") from None
    except Exception as error:  # pyarrow raises kinds of its own
        raise DataError(f"{path} is no readable Parquet file: {brief(str(error))}; {wrong.remedy}") from None
    require_columns(path, columns, [str(name) for name in table.columns], wrong.remedy)
    cells = [[_text(value) for value in table[column].tolist()] for column in columns]
    return [
        Row(str(path), line, dict(zip(columns, values, strict=True)), wrong)
        for line, values in enumerate(zip(*cells, strict=True), 1)
    ]


def _text(value: Any) -> str:
    """Return a cell as a CSV file would hold it: nothing for a missing value, no ``.0`` behind a whole number."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, float):
        return "" if isnan(value) else str(int(value)) if isfinite(value) and value.is_integer() else repr(value)
    return str(value)
