"""CPSC2018 in both layouts: made-up trees, the real sample, and MERL's files with their index fault."""

from collections import Counter

import numpy as np
import pytest

from benchmark.data.store.preparation import prepare, read_preparation_log
from benchmark.datasets.cpsc2018 import CLASSES, CPSC2018
from benchmark.errors import DataError, MissingError, UsageError
from benchmark.paths import Home
from benchmark.testing import write_cpsc2018


def labels(entries):
    return {entry.record_id: entry.labels["rhythm"] for entry in entries}


def test_both_layouts_give_the_same_signals_and_labels(home, tmp_path):
    count = write_cpsc2018(tmp_path / "challenge", patients=12)
    write_cpsc2018(tmp_path / "original" / "TrainingSet1", patients=12, original=True)
    one = prepare("cpsc2018", {}, home, tmp_path / "challenge")
    two = prepare("cpsc2018", {}, Home(tmp_path), tmp_path / "original")
    assert len(one) == count and one.digest == two.digest and one.table["age"].notna().all()
    assert set(one.table["samples"]) == {3000, 4000, 5000, 7500, 15000, 30000}  # kept whole
    assert one.millivolt([0]).shape == (1, 12, 4000) and not read_preparation_log(one).left_out


def test_headers_serve_where_no_table_is_in_words_and_codes(tmp_path):
    write_cpsc2018(tmp_path / "with", patients=15)
    write_cpsc2018(tmp_path / "without", patients=15, reference=False)
    assert labels(CPSC2018().entries(tmp_path / "with")) == labels(CPSC2018().entries(tmp_path / "without"))
    write_cpsc2018(tmp_path / "bare", patients=2, original=True, reference=False)
    with pytest.raises(DataError, match="MATLAB files carry no labels"):
        list(CPSC2018().entries(tmp_path / "bare"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no A0001\.hea"):
        list(CPSC2018().entries(tmp_path / "empty"))


def test_every_line_of_diagnoses_is_read(tmp_path):
    write_cpsc2018(tmp_path, patients=2, reference=False)
    path = tmp_path / "A0001.hea"
    lines = [line for line in path.read_text().splitlines() if "Dx" not in line]
    path.write_text("\n".join([*lines, "# Dx: AF", "#Sex: Male", "#Dx: 164884008, RBBB"]) + "\n")
    assert labels(CPSC2018().entries(tmp_path))["A0001"] == ("AFIB", "VPC", "CRBBB")


def test_missing_unlisted_and_broken_recordings_are_named(home, tmp_path):
    write_cpsc2018(tmp_path, patients=8)
    (tmp_path / "A0001.mat").unlink()
    (tmp_path / "A0002.hea").write_text("nonsense")
    for file in tmp_path.glob("A0003.*"):
        file.unlink()
    table = tmp_path / "REFERENCE.csv"
    table.write_text("\n".join(line for line in table.read_text().splitlines() if not line.startswith("A0004")))
    problems = {
        log["record_id"]: log["problem"]
        for log in read_preparation_log(prepare("cpsc2018", {}, home, tmp_path)).left_out
    }
    assert problems.keys() == {"A0001", "A0002", "A0003", "A0004"}
    assert "A0001.mat: the signal file" in problems["A0001"] and "first line must read" in problems["A0002"]
    assert problems["A0003"] == "its files are missing" and "REFERENCE.csv does not list it" in problems["A0004"]


def test_wrong_codes_are_all_named_with_file_line_and_column(tmp_path):
    write_cpsc2018(tmp_path, patients=2)
    table = tmp_path / "REFERENCE.csv"
    rows = ["A0001,10,,", "A0002,,,", "A0003,1,x,", "A0004,1", ",1,,", "A0005,1,,", "A0005,2,,"]
    table.write_text("\n".join([table.read_text().splitlines()[0], *rows]))
    with pytest.raises(DataError) as raised:
        list(CPSC2018().entries(tmp_path))
    assert "6 wrong cells; download CPSC2018" in str(raised.value)
    assert [line.partition("REFERENCE.csv, ")[2] for line in str(raised.value).splitlines()[1:]] == [
        "line 5: 2 cells, the header has 4",
        "line 2, column First_label: is '10', labels must be 1 to 9",
        "line 3, column First_label: is '', labels must be 1 to 9",
        "line 4, column Second_label: is 'x', labels must be 1 to 9",
        "line 6, column Recording: is empty",
        "line 8, column Recording: A0005 has other labels in another row",
    ]


def test_real_sample(shared, home):
    """70 challenge recordings and 3 originals; headers and table agree on every label."""
    import scipy.io

    root = shared / "data" / "cpsc2018"
    data = prepare("cpsc2018", {}, home, root)
    assert len(data) == 73 and data.manifest["left_out"] == 6877 - 73
    assert data.table["samples"].min() >= 3000 and data.table["samples"].max() <= 30500
    from_headers = labels(CPSC2018().entries(root / "challenge"))
    from_table = labels(CPSC2018().entries(root))
    assert len(from_headers) == 70 and all(from_table[name] == result for name, result in from_headers.items())
    assert max(len(result) for result in from_table.values()) == 3
    row = list(data.record_ids).index("A1983")
    exact = scipy.io.loadmat(root / "native_mat" / "A1983.mat")["ECG"][0, 0]["data"]
    assert np.abs(data.millivolt([row])[0] - exact).max() <= 0.00051 and exact.shape == (12, 7500)
    assert read_preparation_log(data).summary()[-2:] == [
        "  6804 with the same problem: its files are missing", "  all of them by name in preparation.json",
    ]  # fmt: skip


def test_merls_split_and_index_fault(shared):
    archive, root = str(shared / "data" / "merl" / "merl_data_split.tar.xz"), shared / "data" / "cpsc2018"
    exact = labels(CPSC2018().entries(root))
    merl = list(CPSC2018(split="merl", merl_files=archive).entries(root))
    assert Counter(entry.split for entry in merl) == {"train": 4950, "val": 551, "test": 1376}
    assert labels(merl) == exact
    faulty = CPSC2018(split="merl", labels="merl", merl_files=archive)
    codes = labels(faulty.entries(root))
    same = sum(codes[name] == exact[name] for name in exact)
    assert same == 915 and Counter(label for item in codes.values() for label in item) == Counter(
        label for item in exact.values() for label in item
    )
    assert len(faulty.warnings) == 2 and not CPSC2018().warnings


def test_seeded_split_is_of_the_wanted_size_and_needs_no_table(shared):
    entries = list(CPSC2018().entries(shared / "data" / "cpsc2018"))
    sizes = Counter(entry.split for entry in entries)
    assert abs(sizes["test"] / 6877 - 0.20) < 0.015 and abs(sizes["val"] / 6877 - 0.08) < 0.01
    for split in ("train", "val", "test"):
        counts = Counter(label for entry in entries if entry.split == split for label in entry.labels["rhythm"])
        assert min(counts[label] for label in CLASSES) >= 10


def test_wrong_options(home, tmp_path):
    with pytest.raises(UsageError, match=r"split is 'mrl' \(did you mean 'merl'\?\)(.|\n)*labels is 'no'"):
        CPSC2018(split="mrl", labels="no")
    write_cpsc2018(tmp_path, patients=2)
    with pytest.raises(MissingError, match="MERL's split files are not known: set merl_files"):
        list(CPSC2018(split="merl").entries(tmp_path))
    with pytest.raises(MissingError, match="nowhere does not exist"):
        list(CPSC2018(split="merl", merl_files=str(tmp_path / "nowhere")).entries(tmp_path))
    with pytest.raises(DataError, match=r"holds no icbeb_train\.csv"):
        list(CPSC2018(split="merl", merl_files=str(tmp_path)).entries(tmp_path))


def test_the_place_of_merls_files_enters_no_key():
    from benchmark.configuration import distinct

    assert distinct(CPSC2018, {"split": "merl", "merl_files": "/some/place"}, "x") == {"split": "merl"}
