"""Read a dataset's CSV table, or say at once everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path, columns: Sequence[str], remedy: str, index: str | None = None) -> pd.DataFrame:
    """Read `columns` of a CSV file as text; empty cells are ``""``.

    `index` names the index column; ``""`` means the unnamed first one. Raises `DataError` when the
    file is missing, no CSV, empty, lacks a column, or holds an index value twice.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {remedy}") from None
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} is no readable CSV file: {error}; {remedy}") from error
    if index is not None:
        table = table.set_index(table.columns[0] if index == "" else index)
        doubled = table.index[table.index.duplicated()]
        if len(doubled):
            raise DataError(f"{path} has more than one row for {doubled[0]!r}; {remedy}")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        hints = "; ".join(f"{column}{did_you_mean(column, table.columns)}" for column in missing)
        raise DataError(f"{path} lacks the column{'s' * (len(missing) > 1)} {hints}; {remedy}")
    if table.empty:
        raise DataError(f"{path} has no rows; {remedy}")
    return table[list(columns)]
