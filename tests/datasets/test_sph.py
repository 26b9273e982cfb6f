"""SPH on made-up trees in its layout: statements and modifiers, lengths, units, patients, and all mistakes at once."""

import sys

import numpy as np
import pytest

from benchmark.contract.datasets import dataset_checks
from benchmark.data.labels.prompts import load_prompts
from benchmark.data.store.checking import check
from benchmark.data.store.preparation import prepare, read_preparation_log
from benchmark.datasets.sph import AHA, CLASSES, SPH, statements
from benchmark.errors import DataError
from benchmark.testing import write_sph

h5py = pytest.importorskip("h5py", reason="h5py is not installed: HDF5 files are refused with a sentence")
MODIFIERS = {"310", "346"}


@pytest.fixture
def tree(tmp_path):
    return tmp_path / "sph", write_sph(tmp_path / "sph", patients=6)


def replace_array(root, name, change):
    with h5py.File(root / "records" / f"{name}.h5", "a") as file:
        array = change(file["ecg"][()])
        del file["ecg"]
        file["ecg"] = array


def edit(path, change):
    path.write_text(change(path.read_text("utf-8")), "utf-8")


def test_a_made_up_tree_is_prepared_and_passes_the_checks(tree, home):
    root, count = tree
    for work in dataset_checks(SPH(), root=root).values():
        work()
    data = prepare("sph", {}, home, root)
    assert len(data) == count and not read_preparation_log(data).left_out
    with h5py.File(root / "records" / "A00002.h5") as file:
        assert np.abs(data.millivolt([1])[0] - file["ecg"][()].astype(float)).max() <= 0.0005 + 1e-6
    assert set(data.table["samples"]) == {5000, 5500, 7000}
    assert (
        data.table.groupby("patient_id")["split"].nunique().max() == 1 < data.table["patient_id"].value_counts().max()
    )
    findings = check(data, SPH(), root).findings
    assert not [finding for name in ("signals", "patients", "originals") for finding in findings[name] if finding.wrong]


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("1", ("NORM",)),
        ("1;1", ("NORM",)),  # A02322 and A05000 repeat it
        ("147;60+310", ("PVC", "TAB")),
        ("50+346+310; 106", ("AFIB", "RBBB")),
    ],
)
def test_statements_are_primary_codes_and_modifiers_make_no_class(text, classes):
    assert statements(text, MODIFIERS) == classes


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "'' is no code"), ("310", "'310' is no code"), ("60+999;7", "'7', '999' is no code"), ("60+", "'' is no")],
)
def test_a_code_that_is_none_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        statements(text, MODIFIERS)


def test_all_wrong_cells_of_both_tables_are_one_error(tree, home):
    root, _ = tree
    edit(root / "code.csv", lambda text: text.replace("A,166,", "A,167,"))
    lines = (root / "metadata.csv").read_text("utf-8").splitlines()
    lines[1] = lines[1].replace("A00001,", "A00001,4242;")
    lines[2] = lines[2].rsplit(",", 2)[0] + ",many,2019-08-01"
    lines[3] = lines[3].replace("A00003", "A00004")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(DataError) as raised:
        prepare("sph", {}, home, root)
    text = str(raised.value)
    assert text.startswith("5 wrong cells; download metadata.csv, code.csv")
    for words in (
        "code.csv, line 45, column Code: '167' is none of the paper's 44 primary codes",
        "lacks the primary codes 166",
        "line 2, column AHA_Code: is '4242;",
        "line 3, column N: is 'many', it must be a whole number",
        "line 5, column ECG_ID: is 'A00004' once more",
    ):
        assert words in text


def test_what_is_wrong_with_single_recordings_leaves_them_out_and_is_named(tree, home):
    root, count = tree
    replace_array(root, "A00001", lambda array: array[:11])
    replace_array(root, "A00002", lambda array: (array * 1000).astype(np.int16))
    replace_array(root, "A00003", lambda array: np.where(np.arange(array.shape[1]) == 7, np.float16(900), array))
    replace_array(root, "A00004", lambda array: array[:, :-1])
    (root / "records" / "A00005.h5").unlink()
    (root / "records" / "A00006.h5").write_bytes((root / "records" / "A00006.h5").read_bytes()[:700])
    replace_array(root, "A00007", lambda array: np.zeros_like(array))
    with h5py.File(root / "records" / "A00008.h5", "a") as file:
        file.move("ecg", "ekg")
    data = prepare("sph", {}, home, root)
    problems = {result["record_id"]: result["problem"] for result in read_preparation_log(data).left_out}
    for name, words in {
        "A00001": "holds 11 x",
        "A00002": "of int16, metadata.csv says 12 x",
        "A00003": "reaches 900 mV, a recording has at most 32.767",
        "A00004": "numbers in mV (unpack it again)",
        "A00005": "records/A00005.h5 is missing",
        "A00006": "cannot be read: ",
        "A00007": "all leads are flat",
        "A00008": "has no array 'ecg' (did you mean 'ekg'?)",
    }.items():
        assert words in problems.pop(name), name
    assert not problems and len(data) == count - 8


def test_samples_that_are_no_number_are_missing_ones(tree, home):
    root, _ = tree

    def change(array):
        array[3, 10:12], array[4, 5] = np.nan, np.inf
        return array

    replace_array(root, "A00001", change)
    data = prepare("sph", {}, home, root)
    remarks = read_preparation_log(data).remarks
    assert {"record_id": "A00001", "kind": "missing samples, read as 0 mV", "detail": "3"} in remarks
    assert not data.millivolt([0])[0, 3, 10:12].any()


def test_without_h5py_a_sentence_says_what_to_install(tree, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match="has HDF5 files, which need h5py to be read: pip install h5py"):
        prepare("sph", {}, home, tree[0])


def test_every_class_has_phrases_of_its_own():
    assert len(CLASSES) == len(set(AHA.values())) == 44
    texts = load_prompts("en").phrases("sph", "primary", CLASSES)
    every = [text for phrases in texts for text in phrases]
    assert all(3 <= len(phrases) <= 6 for phrases in texts) and len(set(every)) == len(every)
    assert all(text == " ".join(text.lower().split()) and len(text) <= 90 for text in every)
