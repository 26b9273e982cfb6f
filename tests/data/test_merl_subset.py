"""MERL's label subsets from its own files: its sizes, its empty classes; and that a foreign split is refused."""

import csv
import tarfile

import numpy as np
import pytest

from benchmark.data.labels.merl_subset import NOTE, TABLES, merl_digest, merl_subset, merl_training_ids
from benchmark.errors import MissingError, UsageError
from tasks.linear_probe import LinearProbe

# training recordings, those of the 1 % and the 10 % subset, and how many classes have no positive in these
EXPECTED = {
    ("ptbxl", "super"): (17084, 170, 1708, 0, 0),
    ("ptbxl", "sub"): (17084, 170, 1708, 1, 0),
    ("ptbxl", "form"): (7197, 71, 719, 4, 1),
    ("ptbxl", "rhythm"): (16832, 168, 1683, 4, 0),
    ("cpsc2018", "rhythm"): (4950, 49, 495, 1, 0),
    ("csn", "all"): (16546, 165, 1654, 7, 0),
}
LABELS_FROM = {"ptbxl": 6, "cpsc2018": 7, "csn": 3}  # columns before the labels


@pytest.fixture
def merl(shared, tmp_path, monkeypatch):
    with tarfile.open(shared / "data" / "merl" / "merl_data_split.tar.xz") as archive:
        archive.extractall(tmp_path / "merl", filter="data")
    monkeypatch.setenv("ECGARENA_DATA", str(tmp_path))
    return tmp_path / "merl"


def labels_in_file(merl, dataset, label_set):
    path = next(merl.rglob(f"{TABLES[dataset, label_set].table}_train.csv"))
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    first = LABELS_FROM[dataset]
    return np.array([[int(value) for value in row[first:]] for row in rows]), head[first:]


def test_sizes_and_empty_classes_are_those_of_merl(merl):
    for (dataset, label_set), (count, *expected) in EXPECTED.items():
        ids = merl_training_ids(dataset, label_set)
        labels, classes = labels_in_file(merl, dataset, label_set)
        assert len(ids) == len(set(ids)) == count
        result = [merl_subset(dataset, label_set, ids, labels, classes, fraction) for fraction in (0.01, 0.1)]
        empty = [sum(not positives for positives in subset.positives.values()) for subset in result]
        assert [*(len(subset.rows) for subset in result), *empty] == expected, (dataset, label_set)
        assert all(subset.note == NOTE == subset.summary()["note"] for subset in result)
    assert merl_training_ids("cpsc2018", "rhythm")[0] == "A4898" and merl_training_ids("csn", "all")[0] == "JS08246"


def test_the_same_recordings_whatever_the_order_of_our_table(merl):
    ids = merl_training_ids("ptbxl", "form")
    labels, classes = labels_in_file(merl, "ptbxl", "form")
    order = np.random.default_rng(0).permutation(len(ids))
    plain = merl_subset("ptbxl", "form", ids, labels, classes, 0.01)
    variant = merl_subset("ptbxl", "form", [ids[i] for i in order], labels[order], classes, 0.01)
    assert {ids[row] for row in plain.rows} == {ids[order[row]] for row in variant.rows}
    assert variant.positives == plain.positives


def test_recordings_we_lack_are_counted_and_foreign_splits_refused(merl):
    ids = merl_training_ids("cpsc2018", "rhythm")
    labels, classes = labels_in_file(merl, "cpsc2018", "rhythm")
    few = merl_subset("cpsc2018", "rhythm", ids[10:], labels[10:], classes, 1.0)
    assert len(few.rows) == len(ids) - 10 and "10 of its 4950 recordings are not at hand" in few.note
    with pytest.raises(UsageError, match=r"2475 of the 4950 training recordings of MERL.*split = 'merl'"):
        merl_subset("cpsc2018", "rhythm", ids[::2], labels[::2], classes, 0.1)
    with pytest.raises(UsageError, match="MERL has no split of synthetic/groups"):
        merl_training_ids("synthetic", "groups")


def test_the_key_holds_the_rows_and_not_the_place(merl, monkeypatch, tmp_path):
    task = LinearProbe(0.1, seed=3, subset="merl").canonical_form()
    assert task.seed == 0 and LinearProbe(0.1, seed=3).canonical_form().seed == 3
    assert task.inputs("ptbxl", "form", ()) == {"subset": merl_digest("ptbxl", "form")}
    assert LinearProbe(0.1).inputs("ptbxl", "form", ()) == {}
    monkeypatch.setenv("ECGARENA_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(MissingError, match="MERL's split files are not known"):
        task.inputs("ptbxl", "form", ())
    with pytest.raises(UsageError, match=r"subset is 'merk' \(did you mean 'merl'\?\)"):
        LinearProbe(subset="merk")
