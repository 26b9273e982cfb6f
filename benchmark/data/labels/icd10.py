"""Discharge diagnoses in ICD-10-CM as labels: the three-character categories of heart disease, and one for all others.

The table is ``records_w_diag_icd10.csv`` of MIMIC-IV-ECG-Ext-ICD 1.0.1 (Strodthoff, Lopez Alcaraz, Haverkamp, European
Heart Journal Digital Health 2024, doi 10.1093/ehjdh/ztae039). Its column ``all_diag_all`` lists the codes of the
hospital stay, or else those of the emergency department, as ``['I2510', 'E785']``; ``[]`` means that none is linked.
The categories are those of the blocks I05 to I52 of ICD-10.
"""

from __future__ import annotations

import ast
import re
from array import array
from pathlib import Path

import numpy as np

from benchmark.data.formats.csv_index import CsvFile
from benchmark.data.formats.tables import BROKEN, WrongCells
from benchmark.errors import DataError

TABLE, COLUMN = "records_w_diag_icd10.csv", "all_diag_all"
OTHER = "OTHER"  # diagnoses are linked and none is of the heart; without it such recordings would be no example at all
BLOCKS = ((5, 13), (15, 16), (20, 28), (30, 52))  # I14, I17 to I19 and I29 are no categories
CATEGORIES = tuple(f"I{number:02d}" for first, last in BLOCKS for number in range(first, last + 1))
HEART = (*CATEGORIES, OTHER)
CODE = re.compile(r"[A-Z][0-9][0-9A-Z][0-9A-Z]{0,4}")
PLACES = {name: place for place, name in enumerate(HEART)}


class Diagnoses:
    """The classes of each study, at 24 bytes per row; the table is read once and not kept."""

    def __init__(self, path: Path, wrong: WrongCells) -> None:
        studies, subjects, masks = array("q"), array("q"), array("q")
        with CsvFile(path, ("study_id", "subject_id", COLUMN), wrong) as file:
            column = file.column(COLUMN)
            for line, _, row in file.rows():
                study, subject = file.number(row, "study_id", line), file.number(row, "subject_id", line)
                if study is None or subject is None:
                    continue
                try:
                    mask = sum(1 << PLACES[name] for name in heart_classes(row[column]))
                except ValueError as error:
                    wrong.add(path, line, COLUMN, str(error))
                    continue
                studies.append(study)
                subjects.append(subject)
                masks.append(mask)
        order = np.argsort(np.frombuffer(studies, np.int64), kind="stable") if studies else np.zeros(0, np.int64)
        columns = (np.array(values, np.int64)[order] for values in (studies, subjects, masks))
        self.studies, self.subjects, self.masks = columns
        doubled = self.studies[1:][self.studies[1:] == self.studies[:-1]]
        if len(doubled):
            raise DataError(f"{path}: study_id {doubled[0]} stands in more than one row; {wrong.remedy}")

    def of(self, study: int, subject: int) -> tuple[str, ...]:
        """Return the classes of a study; none where the table lacks it or gives it to another subject."""
        place = int(np.searchsorted(self.studies, study))
        if place == len(self.studies) or self.studies[place] != study or self.subjects[place] != subject:
            return ()
        return tuple(name for name, bit in PLACES.items() if int(self.masks[place]) >> bit & 1)


def heart_classes(text: str) -> tuple[str, ...]:
    """Return the classes of a cell, ``['I2510', 'E785']`` or ``[]``; raise ValueError where it is no list of codes."""
    try:
        codes = ast.literal_eval(text.strip())
    except BROKEN:
        codes = None
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise ValueError(f"is {text[:40]!r}, it must be a list of codes such as ['I2510'] or []")
    plain = [code.strip() for code in codes]
    wrong = [code for code in plain if not CODE.fullmatch(code)]
    wrong += [code for code in plain if "I05" <= code[:3] < "I60" and code[:3] not in PLACES]
    if wrong:
        raise ValueError(f"holds {', '.join(repr(code[:12]) for code in wrong[:4])}, no code of ICD-10 known here")
    present = {code[:3] for code in plain}
    classes = tuple(name for name in CATEGORIES if name in present)
    return classes or ((OTHER,) if plain else ())
