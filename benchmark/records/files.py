"""The files of records, wherever they lie: in a folder per cell, or in the rows of one Parquet file.

Every reader of records asks here, so that both forms give the same tables and the same complaints.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from benchmark.errors import DataError, MissingError, raise_all
from benchmark.records.paths import PLAN, RECORD, RESAMPLED, SUFFIX, cell_folder, record_files
from benchmark.records.record import UnusableRecordError

Place = tuple[str, str, str]  # task, method and key of a cell


class Files(Protocol):
    """The files of many records, by the place of their cell and by their name."""

    def read(self, place: Place, name: str) -> bytes | None:
        """Return the content of a file, None where there is none; raise `UnusableRecordError` if unreadable."""

    def state(self, place: Place) -> tuple[int, int, int] | None:
        """Return the last change and the size of a record with its resamples, and when the record was written."""

    def places(self) -> Iterator[Place]:
        """Yield the place of every record, in the order of task, method and key."""

    def plan_text(self) -> str | None:
        """Return the plan that the records were collected with, None without one."""

    def name_of(self, place: Place) -> str:
        """Return a record's place in words of this form, for messages."""


class Folder:
    """Records with a folder per cell."""

    def __init__(self, root: Path | str) -> None:
        self.root = root

    def read(self, place: Place, name: str) -> bytes | None:
        return read_content(f"{cell_folder(self.root, *place)}/{name}")

    def state(self, place: Place) -> tuple[int, int, int] | None:
        folder = cell_folder(self.root, *place)
        try:
            about = os.stat(f"{folder}/{RECORD}")  # noqa: PTH116 (a Path costs as much as the call, 20,000 times)
        except OSError:
            return None
        try:
            beside = os.stat(f"{folder}/{RESAMPLED}")  # noqa: PTH116
        except OSError:
            return about.st_mtime_ns, about.st_size, about.st_mtime_ns
        return max(about.st_mtime_ns, beside.st_mtime_ns), about.st_size + beside.st_size, about.st_mtime_ns

    def places(self) -> Iterator[Place]:
        for path in record_files(self.root):
            task, method, key = path.split("/")[-4:-1]
            yield task, method, key

    def plan_text(self) -> str | None:
        path = Path(self.root) / PLAN
        return path.read_text("utf-8") if path.is_file() else None

    def name_of(self, place: Place) -> str:
        return cell_folder(self.root, *place)


def is_archive(root: Path | str) -> bool:
    """Whether a path names one Parquet file of records, and not a folder of them."""
    return str(root).endswith(SUFFIX)


def folder_beside(root: Path) -> Path:
    """Return the folder where cards and loss curves of the records' weights lie: with them, or beside their file."""
    return root.parent if is_archive(root) else root


def records_in(folder: Path) -> dict[str, Path]:
    """Return the sets of records that lie in a folder, by name: folders and Parquet files.

    Raises `DataError` for a name that has both, since nobody could say which of them counts.
    """
    files = {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))}
    folders = {
        path.name: path for path in sorted(folder.glob("*")) if path.is_dir() and any(path.glob(f"*/*/*/{RECORD}"))
    }
    twice = [f"{folders[name]} and {files[name]} both hold records; remove one" for name in files if name in folders]
    raise_all(twice, "records lie there twice:", DataError)
    return dict(sorted((files | folders).items()))


def files_at(root: Path | str) -> Files:
    """Return the files of the records at `root`: a Parquet file by its name's ending, a folder otherwise.

    Raises `MissingError` for a Parquet file that is not there, and for an absent folder beside such a file.
    """
    if is_archive(root):
        from benchmark.records.archive import Archive

        return Archive(Path(root))
    _refuse_absent_folder(root)
    return Folder(root)


def _refuse_absent_folder(root: Path | str) -> None:
    """Raise where the records lie in a Parquet file of this name: as a folder they would all seem to be missing."""
    beside = f"{os.fspath(root)}{SUFFIX}"
    if os.path.isfile(beside) and not os.path.isdir(root):  # noqa: PTH112, PTH113 (asked once per cell)
        raise MissingError(f"there is no folder {root}; its records are in {beside}")


def read_content(path: str) -> bytes | None:
    """Return the bytes of a record's file, None where there is none; raise `UnusableRecordError` if unreadable."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a Path costs more than the reading)
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnusableRecordError(f"{path} cannot be read: {error.strerror}") from error
