"""Names and places of the files of a record; standard library alone, so that a job supervisor may import it.

``ROOT/TASK/METHOD/KEY/record.json``, with ``predictions.safetensors``, ``resampled.f32`` and ``texts.json`` beside it.
Names that begin with a dot are no records, but folders being written or set aside.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

RECORD = "record.json"
PREDICTIONS = "predictions.safetensors"
THRESHOLDS = "thresholds"  # among its arrays: those of each class, chosen on validation
RESAMPLED = "resampled.f32"  # the primary metric on each resample of the test patients, little-endian float32
TEXTS = "texts.json"  # written reports
INDEX = "records.index.json"  # in the home, beside the folder of records
PLAN = "plan.json"  # beside collected records: the cells that they answer
SUFFIX = ".parquet"  # ends the name of one file with the records of a suite
SET_ASIDE = ".set-aside"  # records that were replaced or could not be read


def cell_folder(root: Path | str, task: str, method: str, key: str) -> str:
    """Return the folder of a cell as text: a `Path` takes longer to make than the file to read."""
    return f"{os.fspath(root)}/{task}/{method}/{key}"


def record_file(root: Path | str, task: str, method: str, key: str) -> str:
    return f"{cell_folder(root, task, method, key)}/{RECORD}"


def record_files(root: Path | str) -> Iterator[str]:
    """Yield the path of every record under `root`, in the order of the folders."""
    for task in _folders(root):
        for method in _folders(task):
            for cell in _folders(method):
                yield f"{cell}/{RECORD}"


def aside_folder(root: Path, task: str, method: str, key: str, token: str) -> Path:
    """Return the place to which a cell's folder is moved before it is replaced."""
    return root / SET_ASIDE / task / method / f"{key}-{token}"


def _folders(root: Path | str) -> list[str]:
    try:
        with os.scandir(root) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
