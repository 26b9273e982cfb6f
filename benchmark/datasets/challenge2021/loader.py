"""The common loader of databases in the PhysioNet/CinC Challenge 2021: WFDB headers with SNOMED codes after ``#Dx:``.

Files lie in folders ``g1``, ``g2`` ... of which the names say nothing; a recording is known by the name of its header.
No report and no patient is given. The codes of a database are those that the challenge's own tables count in it, so a
header with another one is of another version of the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from benchmark.api import Dataset, RawSignal, RecordingEntry
from benchmark.data.formats.tables import WrongCells
from benchmark.data.formats.wfdb_reader import Header, parse_header, read_wfdb
from benchmark.data.labels.demographics import parse_age, parse_sex
from benchmark.data.labels.splits import hashed_split
from benchmark.data.store.file_walk import find_files
from benchmark.datasets.challenge2021.codes import SAME, SNOMED, scored_classes
from benchmark.errors import DataError, RecordingError

SOURCE = "https://physionet.org/content/challenge-2021/1.0.3/ (training/{})"
LICENCE = "CC BY 4.0"
COLLECTIONS = ("physionet2020", "physionet2021")
VAL, TEST = 0.08, 0.20  # shares of the recordings, as for CPSC2018 and CSN
NO_DIAGNOSIS = "its header names no diagnosis (#Dx)"


def label_sets_of(classes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return both label sets of a database: each code by itself, and the diagnoses that the challenge scored."""
    return {"all": classes, "scored": scored_classes(classes)}


def remedy_of(folder: str, first: str) -> str:
    """Return how to get a database; `first` is the name of its first recording."""
    where = f"physionet.org/content/challenge-2021/1.0.3 (training/{folder})"
    return f"download it from {where} and keep {first}.hea and {first}.mat together"


class ChallengeDataset(Dataset):
    """A database whose recordings are called after `pattern`; `split_seed` draws the split, recording by recording."""

    pattern: ClassVar[str]  # a regular expression for the name of a recording

    def __init__(self, split_seed: int = 0) -> None:
        self.split_seed = split_seed

    def entries(self, root: Path | None) -> Iterator[RecordingEntry]:
        """Yield one entry per header, folder by folder; raise one `DataError` for all unknown codes at the end."""
        assert root is not None
        wrong = WrongCells(self.remedy)
        path = None
        for path in find_files(root, rf"{self.pattern}\.hea"):
            yield self._entry(path, root, wrong)
        if path is None:
            raise DataError(f"{root} holds no header called {self.pattern}.hea, nor any folder in it; {self.remedy}")
        wrong.refuse()

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        assert root is not None
        return read_wfdb((root / entry.locator).with_suffix(""))

    def _entry(self, path: Path, root: Path, wrong: WrongCells) -> RecordingEntry:
        classes: tuple[str, ...] = ()
        age, sex, problem = None, None, ""
        try:
            header = parse_header(path)
            classes = self._classes(header, path, wrong)
            age, sex = parse_age(header.comment("Age")), parse_sex(header.comment("Sex"))
            problem = "" if classes else NO_DIAGNOSIS
        except RecordingError as error:
            problem = str(error)
        return RecordingEntry(
            record_id=path.stem,
            patient_id=path.stem,  # no patient is known
            split=hashed_split(self.split_seed, path.stem, VAL, TEST),
            labels=_labels(classes, self.label_sets),
            locator=str(path.relative_to(root)),
            age=age,
            sex=sex,
            problem=problem,
        )

    def _classes(self, header: Header, path: Path, wrong: WrongCells) -> tuple[str, ...]:
        """Return the classes of a header; note codes that the database does not have."""
        codes = {code.strip() for text in header.all_comments("Dx") for code in text.split(",")} - {""}
        names = self.label_sets["all"]
        if unknown := sorted(codes - {SNOMED[name] for name in names}):
            problem = f"{', '.join(unknown)}: the challenge's tables count no such code in this database"
            wrong.add(path, _line_of(path, "Dx"), "#Dx", problem)
        return tuple(name for name in names if SNOMED[name] in codes)


def _labels(classes: tuple[str, ...], label_sets: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the positives of both label sets, in their orders."""
    diagnoses = {SAME.get(name, name) for name in classes}
    return {"all": classes, "scored": tuple(name for name in label_sets["scored"] if name in diagnoses)}


def _line_of(path: Path, field: str) -> int:
    """Return the number of the first line with a comment on `field`, for an error."""
    lines = path.read_text("utf-8", "replace").splitlines()
    return next((number for number, line in enumerate(lines, start=1) if line.strip("# \t").startswith(field)), 1)
