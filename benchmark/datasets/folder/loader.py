"""The class of a dataset that a ``dataset.toml`` describes: one per file and content, made when it is asked for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from benchmark.api import LEADS, Dataset, DatasetCard, RawSignal, RecordingEntry
from benchmark.data.signals.few_leads import available_leads, derived_leads, with_derived
from benchmark.datasets.folder.description import Description, read_description
from benchmark.datasets.folder.index import Place, read_entries
from benchmark.datasets.folder.signal_files import read_signal
from benchmark.errors import MissingError, RecordingError


class FolderDataset(Dataset):
    """Recordings in a folder, as its ``dataset.toml`` describes them. Change that file, and keys change with it."""

    description: ClassVar[Description]
    file: ClassVar[Path]

    def __init__(self) -> None:
        signals = self.description.signals
        self.rate, self.seconds = signals.rate, signals.seconds
        if signals.leads is not None:
            self.leads = available_leads(signals.leads)
            self.warnings = tuple(_remarks(self.file.parent.name, signals.leads, self.leads))

    def entries(self, root: Path | None) -> list[RecordingEntry]:
        """Index the recordings; raise one `DataError` for all wrong cells of the index."""
        assert root is not None
        return read_entries(self.description, self.file, root)

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        assert root is not None and isinstance(entry.locator, Place)
        path = root / self.description.files / entry.locator.path
        raw = read_signal(path, entry.locator.row, self.description.signals)
        try:
            return with_derived(raw)
        except ValueError as error:
            raise RecordingError(path, str(error), "is signals.unit right?") from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a call: the class is made at run time, and a process that reads recordings makes it again."""
        return _instance, (self.file,)


def _remarks(name: str, names: list[str], leads: tuple[str, ...]) -> Iterator[str]:
    """Yield what every table should say of a dataset whose recordings do not hold all twelve leads."""
    if names_from_limbs := derived_leads(names):
        yield f"{name}: the leads {', '.join(names_from_limbs)} are computed from I and II"
    if absent := [lead for lead in LEADS if lead not in leads]:
        yield f"{name}: its recordings have no {', '.join(absent)}"


def _instance(file: Path) -> FolderDataset:
    return folder_dataset(file)()


def folder_dataset(file: Path) -> type[FolderDataset]:
    """Return the class that a ``dataset.toml`` describes; raise `UsageError` with all of its mistakes."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise MissingError(f"{file} cannot be read: {error.strerror}") from None
    return _class_of(file, content)


@functools.lru_cache(maxsize=256)
def _class_of(file: Path, content: bytes) -> type[FolderDataset]:
    """Make the class; `content` is that of the file, so that an edit makes another class."""
    description = read_description(file)
    card = DatasetCard(
        title=description.title,
        source=description.source,
        licence=description.licence,
        version=description.version(),
        derives_from=tuple(description.derives_from),
    )
    members = {
        "__doc__": FolderDataset.__doc__,
        "__module__": FolderDataset.__module__,
        "card": card,
        "label_sets": {name: tuple(table.class_names()) for name, table in description.label_sets.items()},
        "targets": {name: number.target() for name, number in description.targets.items()},
        "remedy": f"correct {file}, which describes it",
        "description": description,
        "file": file,
    }
    return type("FolderDataset", (FolderDataset,), members)
