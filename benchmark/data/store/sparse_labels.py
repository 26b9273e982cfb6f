"""Sparse label sets: labels that are known of some recordings only, read where they are used, beside any store.

Their file is nobody's to hand on but its authors', so no preparation copies it: it lies in the folder of original data
(``$ECGARENA_DATA``) and must have the checksum that the loader names. What nobody asked for is unknown, never absent.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.api import LEADS, Dataset, SparseLabelSet
from benchmark.canonical import digest
from benchmark.errors import DataError, MissingError
from benchmark.paths import DATA_VARIABLE


@dataclass(frozen=True)
class SparseLabels:
    """The labels of some recordings of a store, in its order.

    `rows` ``(k,)`` into the store; `matrix` ``(k, class)`` float32, 1 present, 0 absent, NaN unknown; `leads`
    ``(k, class, 12)`` bool: where a present class is, as far as the file says so. `contradictions` counts entries with
    both answers, which are unknown; `strangers` recordings of the file that the store lacks.
    """

    rows: np.ndarray
    matrix: np.ndarray
    leads: np.ndarray
    contradictions: int
    strangers: int

    def note(self, about: SparseLabelSet) -> str:
        """Return what every table must say of these labels."""
        parts = [about.note, f"{np.isfinite(self.matrix).sum():,} labels of {len(self.rows):,} recordings are known"]
        if self.contradictions:
            parts.append(f"{self.contradictions:,} have contradictory answers and count as unknown")
        if self.strangers:
            parts.append(f"{self.strangers:,} recordings of the file are not among those prepared")
        return "; ".join(part for part in parts if part)


def read_sparse_labels(dataset: type[Dataset], name: str, record_ids: Iterable[str]) -> SparseLabels:
    """Read a sparse label set for the recordings of a store; raise `MissingError` or `DataError` with the remedy."""
    about = dataset.sparse_label_sets[name]
    row_of = {str(record_id): row for row, record_id in enumerate(record_ids)}
    place_of = {label: place for place, label in enumerate(about.classes)}
    values: dict[tuple[int, int], set[bool]] = {}
    leads: dict[tuple[int, int], set[str]] = {}
    strangers = set()
    for answer in dataset.answers(name, read_file(name, about)):
        if answer.record_id not in row_of:
            strangers.add(answer.record_id)
            continue
        entry = row_of[answer.record_id], place_of[answer.label]
        values.setdefault(entry, set()).add(answer.is_present)
        leads.setdefault(entry, set()).update(answer.leads)
    rows = np.array(sorted({row for row, _ in values}), np.int64)
    shape = len(rows), len(about.classes)
    matrix, where = np.full(shape, np.nan, np.float32), np.zeros((*shape, len(LEADS)), bool)
    for (row, place), answers in values.items():
        if len(answers) == 1:
            at = int(np.searchsorted(rows, row)), place
            matrix[at] = float(True in answers)
            where[at] = [True in answers and lead in leads[row, place] for lead in LEADS]
    known_rows = np.isfinite(matrix).any(axis=1)
    contradictions = sum(len(answers) > 1 for answers in values.values())
    return SparseLabels(rows[known_rows], matrix[known_rows], where[known_rows], contradictions, len(strangers))


def read_file(name: str, about: SparseLabelSet) -> bytes:
    """Return the bytes of a sparse label set's file; raise where it is absent or another one."""
    base = os.environ.get(DATA_VARIABLE)
    if not base:
        raise MissingError(
            f"{name} needs {about.file}: set {DATA_VARIABLE} to the folder that holds it; {about.remedy}"
        )
    path = Path(base) / about.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingError(f"{name} needs {path}, which cannot be read ({error.strerror}); {about.remedy}") from None
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != about.sha256:
        raise DataError(
            f"{path} has the SHA-256 {checksum[:16]}..., it must be {about.sha256[:16]}...: it is damaged or another "
            f"version; {about.remedy}"
        )
    return content


def sparse_digest(about: SparseLabelSet, folds: str | None) -> str:
    """Return the digest of a sparse label set and of the folds in which it is used, without a look at its file."""
    return digest([about.sha256, list(about.classes), folds])
