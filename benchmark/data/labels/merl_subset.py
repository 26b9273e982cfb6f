"""MERL's label subsets: `train_test_split(train_csv, train_size=fraction, random_state=42)` on its published files.

Liu et al., ICML 2024; the rows come from `benchmark.data.formats.merl_files`. Kept for comparison and marked in every
table: such a subset is drawn by recording and ignores labels, and its sizes are rounded down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from benchmark.canonical import digest
from benchmark.data.formats.merl_files import REMEDY, read_merl, require_merl
from benchmark.data.formats.tables import WrongCells
from benchmark.data.labels.subsets import Subset
from benchmark.errors import UsageError

RANDOM_STATE = 42
MOST_ABSENT = 0.01  # share of MERL's training recordings that may be missing before the splits count as different
NOTE = "label subset as MERL draws it (train_test_split of its file, random_state 42): no patients, no strata, no floor"


@dataclass(frozen=True)
class MerlTable:
    """Location of a label set in MERL's files, with the column and conversion that yield our record id."""

    table: str
    column: str
    record_id: Callable[[str], str] = str


TABLES: Mapping[tuple[str, str], MerlTable] = {
    ("ptbxl", "super"): MerlTable("ptbxl_super_class", "ecg_id"),
    ("ptbxl", "sub"): MerlTable("ptbxl_sub_class", "ecg_id"),
    ("ptbxl", "form"): MerlTable("ptbxl_form", "ecg_id"),
    ("ptbxl", "rhythm"): MerlTable("ptbxl_rhythm", "ecg_id"),
    ("cpsc2018", "rhythm"): MerlTable("icbeb", "filename"),  # its ecg_id differs between copies of the files
    ("csn", "all"): MerlTable("chapman", "ecg_path", lambda path: PurePosixPath(path).stem),
}


def merl_training_ids(dataset: str, label_set: str) -> list[str]:
    """Return our record ids of MERL's training rows, in the order of its file (under ``$ECGARENA_DATA/merl``)."""
    table = TABLES.get((dataset, label_set))
    if table is None:
        places = ", ".join("/".join(place) for place in TABLES)
        raise UsageError(f"MERL has no split of {dataset}/{label_set} (it has {places})")
    wrong = WrongCells(REMEDY)
    rows = list(read_merl(require_merl(""), table.table, (table.column,), wrong))
    wrong.refuse()
    return [table.record_id(row[table.column]) for split, row in rows if split == "train"]


def merl_subset(
    dataset: str, label_set: str, record_ids: Sequence[str], labels: np.ndarray, classes: Sequence[str], fraction: float
) -> Subset:
    """Return MERL's subset, restricted to recordings of our training split.

    Recordings of MERL's training file that our training split lacks (unreadable ones, for example) are left out and
    counted, so no test recording can enter. Raises `UsageError` if many are lacking: then the splits are not MERL's.
    """
    from sklearn.model_selection import train_test_split

    training = merl_training_ids(dataset, label_set)
    position = {str(record_id): row for row, record_id in enumerate(record_ids)}
    foreign = [record_id for record_id in training if record_id not in position]
    if len(foreign) > MOST_ABSENT * len(training):
        problem = f"{len(foreign)} of the {len(training)} training recordings of MERL, {foreign[0]} first"
        raise UsageError(f"{problem}, are not in the training split of {dataset}: give it the option split = 'merl'")
    ids = training
    if fraction < 1:
        ids, _ = train_test_split(training, train_size=fraction, random_state=RANDOM_STATE)
    rows = np.sort(np.array([position[record_id] for record_id in ids if record_id in position], np.int64))
    absent = len(ids) - len(rows)
    note = f"{NOTE}; {absent} of its {len(ids)} recordings are not at hand" if absent else NOTE
    return Subset.of(rows, record_ids, labels, classes, fraction, RANDOM_STATE, note)


def merl_digest(dataset: str, label_set: str) -> str:
    """Return the digest for a cell's key: of the training rows in order, wherever the files are stored."""
    return digest(merl_training_ids(dataset, label_set))
