"""Notes on the data behind a number: unlabelled recordings, and the warnings of the training datasets."""

from __future__ import annotations

from benchmark.data.store.completeness import warnings_among
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.group_data import GroupData
from benchmark.errors import DataError, MissingError
from benchmark.planning.exposures import sources_of
from benchmark.planning.plan import Cell


def data_notes(cell: Cell, group_data: GroupData) -> list[str]:
    """Return the notes on a cell's data, without the warnings of its own dataset."""
    data = group_data.data(cell.spec.dataset, cell.spec.dataset_config)
    notes = [data.unlabelled(cell.spec.label_set)]
    for teacher in _teachers(cell, group_data):
        name = teacher.manifest["dataset"]
        notes += [note if warnings_among([note]) else f"learnt from {name}: {note}" for note in teacher.warnings]
    return [note for note in dict.fromkeys(notes) if note and note not in data.warnings]


def _teachers(cell: Cell, group_data: GroupData) -> list[PreparedDataset]:
    """Return the datasets that trained the weights or the probe, as far as they are prepared on this machine."""
    teachers = []
    for exposure in sources_of(cell).exposures:
        if exposure.config is None:
            continue
        try:
            data = group_data.data(exposure.name, dict(exposure.config))
        except (MissingError, DataError):
            continue
        if exposure.here or exposure.digest == data.digest:
            teachers.append(data)
    return teachers
