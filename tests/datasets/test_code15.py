"""CODE-15 % on made-up trees in its layout: rows by exam id, padding, flags, the unit, and all mistakes at once."""

import sys

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.contract.datasets import dataset_checks
from benchmark.data.labels.contamination import Exposure, proof, relation
from benchmark.data.labels.prompts import load_prompts
from benchmark.data.store.checking import check
from benchmark.data.store.preparation import prepare, read_preparation_log
from benchmark.data.store.preparations import Preparations
from benchmark.datasets.code15 import CODE15
from benchmark.datasets.synthetic import Synthetic
from benchmark.errors import DataError, RecordingError, UsageError
from benchmark.testing import write_code15

h5py = pytest.importorskip("h5py", reason="h5py is not installed: HDF5 files are refused with a sentence")
UNIT = {"units_per_millivolt": 1.0}


@pytest.fixture
def tree(tmp_path):
    return tmp_path / "code15", write_code15(tmp_path / "code15", patients=4)


def edit_table(root, change):
    lines = (root / "exams.csv").read_text("utf-8").splitlines()
    rows = [line.split(",") for line in lines]
    change(rows)
    (root / "exams.csv").write_text("\n".join(",".join(row) for row in rows) + "\n", "utf-8")


def edit_row(root, exams, number, change):
    with h5py.File(root / f"exams_part{number % 2}.hdf5", "a") as file:
        row = list(file["exam_id"][()]).index(exams[number])
        file["tracings"][row] = change(file["tracings"][row])


def test_a_made_up_tree_is_prepared_with_the_right_signal_for_each_exam_and_without_padding(tree, home):
    root, exams = tree
    for work in dataset_checks(CODE15(1.0), root=root).values():
        work()
    data = prepare("code15", UNIT, home, root)
    assert list(data.record_ids) == [str(exam) for exam in exams] and not read_preparation_log(data).left_out
    assert list(data.table["samples"]) == [4000 if number % 2 == 0 else 2800 for number in range(len(exams))]
    for number, seconds in ((0, 10), (1, 7), (len(exams) - 1, 10 if len(exams) % 2 else 7)):
        source = Synthetic(rate=400, patients=4, seconds=seconds)
        entry = source.entries(None)[number]
        assert np.abs(data.millivolt([number])[0] - source.read(entry, None).adc / 1000).max() < 1e-6
    assert (
        data.table.groupby("patient_id")["split"].nunique().max() == 1 < data.table["patient_id"].value_counts().max()
    )
    findings = check(data, CODE15(1.0), root).findings
    assert not [finding for name in ("signals", "patients", "originals") for finding in findings[name] if finding.wrong]


def test_no_flag_is_a_class_of_its_own_and_is_not_a_normal_ecg(tree):
    root, _ = tree

    def change(rows):
        columns = rows[0].index
        for row, values in zip(rows[1:4], ("TF", "FT", "FF"), strict=True):
            for name in ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF"):
                row[columns(name)] = "False"
            row[columns("AF")] = "True" if values[0] == "T" else "False"
            row[columns("normal_ecg")] = "True" if values[1] == "T" else "False"

    edit_table(root, change)
    first = list(CODE15(1.0).entries(root))[:3]
    assert [entry.labels["flags"] for entry in first] == [("AF",), ("NONE",), ("NONE",)]
    assert [entry.labels["diag"] for entry in first] == [("AF",), ("NORM",), ()]


def test_the_unit_must_be_said_and_stands_in_the_store_and_under_every_table(tree, home, capsys):
    root, _ = tree
    assert main(["data", "prepare", "code15", "--root", str(root)]) == 2
    error = capsys.readouterr().err
    assert "dataset code15 needs a value for 'units_per_millivolt'" in error and "ecgarena show code15" in error
    with pytest.raises(UsageError, match="must be above 0"):
        CODE15(0)
    one, ten = prepare("code15", UNIT, home, root), prepare("code15", {"units_per_millivolt": 10.0}, home, root)
    assert np.abs(one.millivolt([0]) - 10 * ten.millivolt([0])).max() < 0.01 and one.path != ten.path
    assert ten.warnings[0] == "read with 10 of its units per millivolt, which the release does not state"


def test_a_unit_that_is_wrong_is_noticed_by_the_check(tree, home):
    root, _ = tree
    data = prepare("code15", {"units_per_millivolt": 1000.0}, home, root)
    problems = [finding.problem for finding in check(data, CODE15(1000.0)).findings["signals"] if finding.wrong]
    assert any("recordings span less than" in problem for problem in problems)


def test_all_wrong_cells_are_one_error(tree, home):
    root, _ = tree

    def change(rows):
        place = rows[0].index
        rows[1][place("AF")] = "perhaps"
        rows[2][place("normal_ecg")], rows[2][place("SB")] = "True", "True"
        rows[3][place("exam_id")] = "x"
        rows[4][place("is_male")] = ""

    edit_table(root, change)
    with pytest.raises(DataError) as raised:
        prepare("code15", UNIT, home, root)
    text = str(raised.value)
    assert text.startswith("4 wrong cells; download exams.csv and the 18 files")
    for words in (
        "line 2, column AF: is 'perhaps', it must be True or False",
        "line 3, column normal_ecg: is true beside ",
        "line 4, column exam_id: is 'x', it must be a whole number",
        "line 5, column is_male: is '', it must be True or False",
    ):
        assert words in text


def test_what_is_wrong_with_single_recordings_leaves_them_out_and_is_named(tree, home):
    root, exams = tree
    edit_row(root, exams, 0, np.zeros_like)
    edit_row(root, exams, 1, lambda array: array * 1000)
    edit_table(root, lambda rows: rows[3].__setitem__(-1, "exams_part7.hdf5"))
    edit_table(root, lambda rows: rows[4].__setitem__(-1, "exams_part0.hdf5"))
    edit_table(root, lambda rows: rows[5].__setitem__(-1, "../exams_part0.hdf5"))
    data = prepare("code15", UNIT, home, root)
    problems = {result["record_id"]: result["problem"] for result in read_preparation_log(data).left_out}
    for number, words in enumerate(
        (
            "a row is 0 throughout (nothing was recorded: this recording cannot serve)",
            "mV, a recording has at most 32.767 (an electrode was loose, or units_per_millivolt is wrong)",
            "exams_part7.hdf5: the file is missing",
            "exams_part0.hdf5 has no row for it",
            "exams.csv names no file of the release for it",
        )
    ):
        assert words in problems.pop(str(exams[number]))
    assert not problems and len(data) == len(exams) - 5


def test_samples_that_are_no_number_are_missing_ones_and_a_zero_inside_stays(tree, home):
    root, exams = tree

    def change(array):
        array[1000:1004, 2] = np.nan
        array[2000] = 0  # within the signal: no padding
        return array

    edit_row(root, exams, 0, change)
    data = prepare("code15", UNIT, home, root)
    remarks = read_preparation_log(data).remarks
    assert {"record_id": str(exams[0]), "kind": "missing samples, read as 0 mV", "detail": "4"} in remarks
    assert data.table["samples"][0] == 4000


def test_an_array_of_eleven_leads_is_refused(tree):
    root, _ = tree
    with h5py.File(root / "exams_part0.hdf5", "a") as file:
        tracings = file["tracings"][()]
        del file["tracings"]
        file["tracings"] = tracings[:, :, :11]
    dataset = CODE15(1.0)
    with pytest.raises(RecordingError, match="is 4096 x 11 of float32, 4096 x 12 numbers expected"):
        dataset.read(next(iter(dataset.entries(root))), root)


def test_an_exam_in_two_rows_or_in_the_table_twice_is_refused(tree, home):
    root, _ = tree
    edit_table(root, lambda rows: rows.append(rows[1]))
    with pytest.raises(DataError, match="1 record ids occur twice"):
        prepare("code15", UNIT, home, root)
    with h5py.File(root / "exams_part0.hdf5", "a") as file:
        file["exam_id"][0] = file["exam_id"][1]
    with pytest.raises(DataError, match=r"exams_part0\.hdf5: exam_id \d+ stands in more than one row"):
        list(CODE15(1.0).entries(root))


def test_without_h5py_a_sentence_says_what_to_install(tree, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match="has HDF5 files, which need h5py to be read: pip install h5py"):
        prepare("code15", UNIT, home, tree[0])


def test_weights_that_saw_it_are_known_whatever_the_unit(tree, home):
    root, _ = tree
    prepare("code15", {"units_per_millivolt": 10.0}, home, root)
    assert Preparations(home).find("code15", {}) is not None
    assert relation("code15", "code") == "contains" and relation("ptbxl", "code15") == "none"
    assert proof(Exposure.of("its weights saw", "code15"), "same", "code15")


@pytest.mark.parametrize("label_set", ["flags", "diag"])
def test_every_class_has_phrases_of_its_own(label_set):
    texts = load_prompts("en").phrases("code15", label_set, CODE15.label_sets[label_set])
    every = [text for phrases in texts for text in phrases]
    assert all(3 <= len(phrases) <= 6 for phrases in texts) and len(set(every)) == len(every)
