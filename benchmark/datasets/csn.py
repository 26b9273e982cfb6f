"""Chapman-Shaoxing-Ningbo (ecg-arrhythmia 1.0.0): 45,152 recordings of 10 s at 500 Hz, one per patient.

Zheng et al., "A large scale 12-lead electrocardiogram database for arrhythmia study", PhysioNet 2022. Headers name
findings by SNOMED codes; the 38 classes and their order are those of MERL's files. Codes are compared as a whole,
so the seven labels that MERL's substring match corrupts (AF also finds AFIB, ST also STE ...) are exact here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from benchmark.api import Dataset, DatasetCard, RawSignal, RecordingEntry
from benchmark.data.formats.merl_files import REMEDY, read_merl, require_merl
from benchmark.data.formats.tables import WrongCells, zero_or_one
from benchmark.data.formats.wfdb_reader import parse_header, read_wfdb
from benchmark.data.labels.demographics import parse_age, parse_sex
from benchmark.data.labels.splits import hashed_split
from benchmark.data.store.file_walk import find_files
from benchmark.errors import DataError, RecordingError, check_choices
from benchmark.registry import DATASETS

SNOMED = {  # class -> code, after ConditionNames_SNOMED-CT.csv; in the order that the field uses
    "AQW": "164917005",
    "UW": "164937009",
    "SR": "426783006",
    "WPW": "74390002",
    "2AVB": "195042002",
    "AT": "713422000",
    "VB": "11157007",
    "ARS": "47665007",
    "STTC": "428750005",
    "SA": "427393009",
    "STE": "164930006",
    "VPB": "17338001",
    "TWO": "59931005",
    "STTU": "164931005",
    "ALS": "39732003",
    "APB": "284470004",
    "2AVB1": "54016002",
    "PRIE": "164947007",
    "CCR": "251199005",
    "CR": "251198002",
    "AF": "164890007",
    "AVB": "233917008",
    "QTIE": "111975006",
    "LBBB": "164909002",
    "VEB": "75532003",
    "SVT": "426761007",
    "RBBB": "59118001",
    "1AVB": "270492004",
    "STDD": "429622005",
    "MI": "164865005",
    "AFIB": "164889003",
    "TWC": "164934002",
    "PWC": "164912004",
    "ERV": "428417006",
    "RVH": "89792004",
    "LVH": "164873001",
    "ST": "427084000",
    "JEB": "426995002",
}
CLASSES = tuple(SNOMED)
SPOILED = ("VB", "AVB", "CR", "2AVB", "AF", "SA", "ST")  # by MERL's substring match
VAL, TEST = 0.08, 0.20  # shares of the recordings, as in MERL's split
FOLDER = "WFDBRecords"
MERL_RECORDINGS, NOT_LISTED = 23026, "MERL's files do not list it"


@DATASETS.register("csn")
class CSN(Dataset):
    """`split`: "seeded" (by `split_seed`) or "merl"; `labels`: "exact" or "merl", with its seven faulty columns.

    Either MERL option keeps only the 23,026 recordings that MERL's files list; they are read from `merl_files`
    (folder or archive; default ``$ECGARENA_DATA/merl``).
    """

    card = DatasetCard(
        title="Chapman-Shaoxing-Ningbo, ecg-arrhythmia 1.0.0",
        source="https://physionet.org/content/ecg-arrhythmia/1.0.0/",
        licence="CC BY 4.0",
        may_redistribute=True,
        derives_from=("physionet2021",),
        recordings=45152,
    )
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {"all": CLASSES}
    locations = ("merl_files",)
    rate = 500.0
    remedy = f"download ecg-arrhythmia 1.0.0 from physionet.org/content/ecg-arrhythmia/1.0.0 and keep {FOLDER}/"

    def __init__(self, split: str = "seeded", labels: str = "exact", split_seed: int = 0, merl_files: str = "") -> None:
        check_choices("csn", split=(split, ("seeded", "merl")), labels=(labels, ("exact", "merl")))
        self.split, self.labels, self.split_seed, self.merl_files = split, labels, split_seed, merl_files
        marks = {
            "split": "split and choice of recordings of MERL's files",
            "labels": f"labels of MERL's files, where {', '.join(SPOILED)} hold recordings of other classes",
        }
        self.warnings = tuple(mark for option, mark in marks.items() if getattr(self, option) == "merl")
        self.expected = MERL_RECORDINGS if self.warnings else None

    def entries(self, root: Path | None) -> Iterator[RecordingEntry]:
        """Yield one entry per header, then one per recording of MERL's files without a header."""
        assert root is not None
        if not (root / FOLDER).is_dir():
            raise DataError(f"{root / FOLDER} is no folder; {self.remedy}")
        merl = _read_merl(require_merl(self.merl_files)) if self.warnings else None
        missing = dict(merl or {})
        for path in find_files(root / FOLDER, r"JS\d+\.hea"):
            missing.pop(path.stem, None)
            yield self._entry(path.stem, path.relative_to(root), root, merl)
        for name in missing:
            yield self._entry(name, None, root, merl)

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        assert root is not None
        return read_wfdb((root / entry.locator).with_suffix(""))

    def _entry(self, name: str, path: Path | None, root: Path, merl: Mapping[str, _Row] | None) -> RecordingEntry:
        labels: tuple[str, ...] = ()
        age, sex, problem = None, None, ""
        try:
            if path is None:
                raise RecordingError(name, "its files are missing")
            header = parse_header(root / path)
            codes = {code.strip() for text in header.all_comments("Dx") for code in text.split(",")}
            labels = tuple(label for label, code in SNOMED.items() if code in codes)
            age, sex = parse_age(header.comment("Age")), parse_sex(header.comment("Sex"))
        except RecordingError as error:
            problem = error.problem if path is None else str(error)
        split = hashed_split(self.split_seed, name, VAL, TEST)
        if merl is not None:
            row = merl.get(name)
            problem = problem if row else NOT_LISTED
            split = row[0] if row and self.split == "merl" else split
            labels = row[1] if row and self.labels == "merl" else labels
        return RecordingEntry(
            record_id=name,
            patient_id=name,  # one recording per patient
            split=split,
            labels={"all": labels},
            locator=str(path) if path else None,
            age=age,
            sex=sex,
            problem=problem,
            excluded=problem == NOT_LISTED,
        )


_Row = tuple[str, tuple[str, ...]]  # split, and the labels as MERL's columns have them


def _read_merl(source: Path) -> dict[str, _Row]:
    wrong = WrongCells(REMEDY)
    rows = {
        Path(row["ecg_path"]).stem: (split, tuple(label for label in CLASSES if row.cell(label, zero_or_one, False)))
        for split, row in read_merl(source, "chapman", ("ecg_path", *CLASSES), wrong)
    }
    wrong.refuse()
    return rows
