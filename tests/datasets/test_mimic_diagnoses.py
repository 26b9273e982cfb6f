"""The ICD-10 table of MIMIC-IV-ECG-Ext-ICD: it joins a store and leaves its digest; all mistakes at once."""

import csv
import shutil

import numpy as np
import pytest

from benchmark.data.labels.icd10 import CATEGORIES, HEART, heart_classes
from benchmark.data.labels.prompts import load_prompts
from benchmark.data.store.checking import check
from benchmark.data.store.preparation import prepare
from benchmark.datasets.mimic_iv_ecg import MIMICIVECG
from benchmark.errors import DataError
from benchmark.testing import write_mimic_diagnoses, write_mimic_iv_ecg

TABLE = "records_w_diag_icd10.csv"


@pytest.fixture
def root(tmp_path):
    write_mimic_iv_ecg(tmp_path / "mimic", patients=6, samples=600, odd=False, same_signal=True)
    return tmp_path / "mimic"


def edit(root, change):
    with (root / TABLE).open(newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with (root / TABLE).open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_the_table_joins_an_older_store_whose_digest_and_targets_stay(root, home):
    before = prepare("mimic_iv_ecg", {}, home, root)
    assert "icd10_heart" not in before.places and "rr_interval" in before.places
    digests = before.digest, before.values_digest("rr_interval")
    codes, lines = write_mimic_diagnoses(root), []
    data = prepare("mimic_iv_ecg", {}, home, root, say=lines.append)
    assert lines == ["writing icd10_heart beside the store, whose digest stays"]
    assert (data.digest, data.values_digest("rr_interval")) == digests
    labels = data.label_set("icd10_heart")
    assert labels.classes == HEART
    positives = {
        data.record_ids[row]: tuple(np.array(HEART)[present.astype(bool)])
        for row, present in zip(labels.rows, labels.matrix, strict=True)
    }
    classes = {"I2510": ("I25",), "I4891": ("I48",), "W19XXXA": ("OTHER",)}
    assert positives == {study: classes[own[0]] for study, own in codes.items() if own}
    assert not [finding for finding in check(data, MIMICIVECG(), root).findings["originals"] if finding.wrong]


def test_a_store_keeps_its_diagnoses_where_the_table_is_gone(root, home):
    write_mimic_diagnoses(root)
    data = prepare("mimic_iv_ecg", {}, home, root)
    (root / TABLE).unlink()
    lines = []
    assert prepare("mimic_iv_ecg", {}, home, root, say=lines.append).values_digest("icd10_heart") and not lines
    [finding] = check(data, MIMICIVECG(), root).findings["originals"]
    assert finding.problem.startswith("icd10_heart was not compared: records_w_diag_icd10.csv is not in ")
    assert not finding.wrong
    shutil.rmtree(data.path / "supplement")
    again = prepare("mimic_iv_ecg", {}, home, root, say=lines.append)
    assert "icd10_heart" not in again.places and "qt_interval" in again.places
    assert lines[0].startswith("icd10_heart is not written: records_w_diag_icd10.csv is not in ")
    assert "physionet.org/content/mimic-iv-ecg-ext-icd-labels/1.0.1" in lines[0]


def test_all_wrong_cells_are_one_error(root, home):
    write_mimic_diagnoses(root)

    def change(rows):
        column = rows[0].index("all_diag_all")
        rows[1][column], rows[2][column], rows[3][column] = "I10", "['I1A', '25.0']", "[41]"
        rows[4][rows[0].index("subject_id")] = "nobody"

    edit(root, change)
    with pytest.raises(DataError) as raised:
        prepare("mimic_iv_ecg", {}, home, root)
    text = str(raised.value)
    assert text.startswith("4 wrong cells; ")
    for words in (
        f"{TABLE}, line 2, column all_diag_all: is 'I10', it must be a list of codes such as ['I2510'] or []",
        "line 3, column all_diag_all: holds '25.0', 'I1A', no code of ICD-10 known here",
        "line 4, column all_diag_all: is '[41]', it must be a list",
        "line 5, column subject_id: is 'nobody', it must be a whole number",
    ):
        assert words in text


def test_a_study_in_two_rows_is_refused_and_one_of_another_subject_gets_no_label(root, home):
    codes = write_mimic_diagnoses(root)
    study = next(study for study, own in codes.items() if own)

    def change(rows):
        row = next(row for row in rows if row[1] == study)
        row[2] = "10999999"

    edit(root, change)
    entries = {entry.record_id: entry for entry in MIMICIVECG().entries(root)}
    assert entries[study].labels == {"icd10_heart": ()} and any(
        entry.labels["icd10_heart"] for entry in entries.values()
    )
    edit(root, lambda rows: rows.append(rows[1]))
    with pytest.raises(DataError, match=rf"{TABLE}: study_id \d+ stands in more than one row"):
        list(MIMICIVECG().entries(root))


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("['I2510', 'I4891', 'E785']", ("I25", "I48")),
        ("['E785']", ("OTHER",)),
        ("['I639', 'I010', 'I0101']", ("OTHER",)),  # of vessels, and acute rheumatic fever
        ("[]", ()),
    ],
)
def test_codes_become_categories(text, classes):
    assert heart_classes(text) == classes


def test_every_class_has_phrases_of_its_own():
    assert len(CATEGORIES) == 43 and "I14" not in CATEGORIES and "I29" not in CATEGORIES and HEART[-1] == "OTHER"
    texts = load_prompts("en").phrases("mimic_iv_ecg", "icd10_heart", HEART)
    every = [text for phrases in texts for text in phrases]
    assert all(3 <= len(phrases) <= 6 for phrases in texts) and len(set(every)) == len(every)
    assert all(text == " ".join(text.lower().split()) and len(text) <= 90 for text in every)
