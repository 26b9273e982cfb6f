"""SPH (Shandong Provincial Hospital): 25,770 recordings of 10 to 60 s at 500 Hz from 24,666 patients, with AHA codes.

Liu et al., "A large-scale multi-label 12-lead electrocardiogram database with standardized diagnostic statements",
Scientific Data 2022, doi 10.1038/s41597-022-01403-5. One HDF5 file per recording holds ``ecg``, (12, time) in
millivolt. ``metadata.csv`` gives statements as ``60+310;147``: a primary code with its modifiers, then the next one.
The 44 primary statements are the classes (Mason, Hancock, Gettes, Circulation 2007); modifiers are read and not used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.api import LEADS, Dataset, DatasetCard, RawSignal, RecordingEntry
from benchmark.data.formats.arrays import raw_signal
from benchmark.data.formats.hdf5 import read_hdf5, require_h5py
from benchmark.data.formats.tables import Row, WrongCells, not_empty, read_table, whole_number
from benchmark.data.labels.demographics import parse_age, parse_sex
from benchmark.data.labels.splits import hashed_split
from benchmark.data.store.file_walk import find_files
from benchmark.errors import RecordingError
from benchmark.registry import DATASETS

AHA = {  # class -> primary code, in the order of code.csv
    "NORM": "1",
    "STACH": "21",
    "SBRAD": "22",
    "SARRH": "23",
    "PAC": "30",
    "PACNC": "31",
    "JPC": "36",
    "JESC": "37",
    "AFIB": "50",
    "AFLT": "51",
    "JTACH": "54",
    "PVC": "60",
    "SPR": "80",
    "AVCR": "81",
    "LPR": "82",
    "2AVB1": "83",
    "2AVB2": "84",
    "AVB21": "85",
    "AVBVAR": "86",
    "AVBADV": "87",
    "3AVB": "88",
    "LAFB": "101",
    "LPFB": "102",
    "LBBB": "104",
    "IRBBB": "105",
    "RBBB": "106",
    "PREEX": "108",
    "RAD": "120",
    "LAD": "121",
    "LVOLT": "125",
    "LAE": "140",
    "LVH": "142",
    "RVH": "143",
    "STD": "145",
    "STT": "146",
    "TAB": "147",
    "LQT": "148",
    "TU": "152",
    "STTVH": "153",
    "EREP": "155",
    "AMI": "160",
    "IMI": "161",
    "ASMI": "165",
    "EAMI": "166",
}
CLASSES = tuple(AHA)
CODES, TABLE, ARRAY = "code.csv", "metadata.csv", "ecg"
CODE_COLUMNS, MODIFIER = ("Category", "Code"), "Modifier"
COLUMNS = ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex", "N")
VAL, TEST = 0.08, 0.20  # shares of the patients, as of the recordings of CPSC2018 and CSN


@dataclass(frozen=True)
class Place:
    """The file of a recording, and its samples per lead by the table."""

    path: str
    samples: int

    def __str__(self) -> str:
        return self.path


@DATASETS.register("sph")
class SPH(Dataset):
    """Split by patient with `split_seed`. Samples are rounded to microvolts; above 32.767 mV a recording is left out.

    The unit, the order of the leads (I, II, III, aVR, aVL, aVF, V1 to V6) and the rate are those of the paper.
    """

    card = DatasetCard(
        title="SPH, Shandong Provincial Hospital 12-lead ECG database",
        source="https://doi.org/10.6084/m9.figshare.c.5779802.v1",
        licence="CC BY 4.0",
        recordings=25770,
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {"primary": CLASSES}
    rate = 500.0
    seconds = 12.0
    remedy = (
        f"download {TABLE}, {CODES} and records.tar.gz from figshare (doi 10.6084/m9.figshare.c.5779802.v1) "
        "and unpack the latter with 'tar -xf'"
    )

    def __init__(self, split_seed: int = 0) -> None:
        self.split_seed = split_seed

    def entries(self, root: Path | None) -> list[RecordingEntry]:
        """Index the recordings; raise one `DataError` for the wrong cells of both tables."""
        assert root is not None
        require_h5py(root)
        wrong = WrongCells(self.remedy)
        modifiers = _read_modifiers(root / CODES, wrong)
        rows = read_table(root / TABLE, COLUMNS, wrong, key="ECG_ID")
        files = {path.stem: str(path.relative_to(root)) for path in find_files(root, r"A\d+\.h5")}
        entries = [self._entry(row, modifiers, files) for row in rows]
        wrong.refuse()
        return entries

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        assert root is not None and isinstance(entry.locator, Place)
        path, shape = root / entry.locator.path, (len(LEADS), entry.locator.samples)
        array = read_hdf5(path, ARRAY)
        if array.shape != shape or not np.issubdtype(array.dtype, np.floating):
            own = " x ".join(map(str, array.shape))
            problem = f"holds {own} of {array.dtype}, {TABLE} says {shape[0]} x {shape[1]} numbers in mV"
            raise RecordingError(path, problem, "unpack it again")
        return raw_signal(path, array, 1.0, self.rate, LEADS, "an electrode was loose: this recording cannot serve")

    def _entry(self, row: Row, modifiers: Collection[str], files: Mapping[str, str]) -> RecordingEntry:
        name, patient = row.cell("ECG_ID", not_empty, ""), row.cell("Patient_ID", not_empty, "")
        samples = row.cell("N", whole_number, 0)
        return RecordingEntry(
            record_id=name,
            patient_id=patient,
            split=hashed_split(self.split_seed, patient, VAL, TEST),
            labels={"primary": row.cell("AHA_Code", lambda text: statements(text, modifiers), ())},
            locator=Place(files[name], samples) if name in files else None,
            age=parse_age(row["Age"]),
            sex=parse_sex(row["Sex"]),
            problem="" if name in files else f"records/{name}.h5 is missing",
        )


def statements(text: str, modifiers: Collection[str]) -> tuple[str, ...]:
    """Return the classes of ``60+310;147``; raise ValueError for codes that are none and for modifiers alone."""
    parts = [[code.strip() for code in statement.split("+")] for statement in text.split(";")]
    primary, others = {codes[0] for codes in parts}, {code for codes in parts for code in codes[1:]}
    unknown = sorted([*(primary - set(AHA.values())), *(others - set(modifiers))])
    if unknown:
        raise ValueError(f"is {text[:40]!r}: {', '.join(repr(code) for code in unknown)} is no code of {CODES} there")
    return tuple(name for name, code in AHA.items() if code in primary)


def _read_modifiers(path: Path, wrong: WrongCells) -> set[str]:
    """Return the codes that qualify others; note where the table's primary codes are not the 44 of the paper."""
    rows = read_table(path, CODE_COLUMNS, wrong, key="Code")
    own = {row["Code"].strip(): row for row in rows}
    modifiers = {code for code, row in own.items() if row["Category"].strip() == MODIFIER}
    for code in own.keys() - modifiers - set(AHA.values()):
        wrong.add(path, own[code].line, "Code", f"{code[:20]!r} is none of the paper's 44 primary codes")
    if missing := [code for code in AHA.values() if code not in own]:
        wrong.add(path, 1, "Code", f"lacks the primary codes {', '.join(missing)}")
    return modifiers
