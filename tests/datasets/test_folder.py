"""Folders that describe themselves: every format, every mistake at once, and a leaderboard without a line of Python."""

import csv
import functools
import pickle
import sys

import numpy as np
import pytest

from benchmark.api import LEADS
from benchmark.cli import main
from benchmark.contract import failures
from benchmark.contract.datasets import dataset_checks
from benchmark.data.labels.contamination import relation
from benchmark.data.labels.prompts import load_prompts
from benchmark.data.store.preparation import open_dataset, prepare, read_preparation_log
from benchmark.datasets.synthetic import Synthetic
from benchmark.errors import BenchmarkError, DataError, UsageError
from benchmark.registry import DATASETS
from benchmark.testing.records import write_record

HEADER = ("who", "exam", "file", "group", "text", "years", "gender", "codes", "af")
DESCRIPTION = """
title = "Ward 7"
source = "our hospital"
licence = "not to be passed on"
derives_from = ["ptbxl"]
index = "list.csv"
files = "recordings"
language = "en"

[columns]
record = "exam"
path = "file"
patient = "who"
report = "text"
age = "years"
sex = "gender"

[split]
column = "group"
train = [1, 2]
val = [3]
test = [4]

[sexes]
female = ["w"]
male = ["m"]

[signals]
rate = 100
ARRAYS

[label_sets.rhythm]
codes = "codes"
separator = "+"
classes = { SR = ["10"], AF = ["20", "21"] }

[label_sets.fibrillation]
columns = { AF = "af" }
otherwise = "no AF"
"""
ARRAYS = f"leads = {list(LEADS)}\nunit = "


@functools.cache
def millivolt(count=8):
    """Return recordings (n, lead, time) in whole microvolts, as float64 mV."""
    dataset = Synthetic(rate=100, patients=count)
    entries = dataset.entries()[:count]
    return np.stack([dataset.read(entry).adc for entry in entries]) / dataset.read(entries[0]).gain[0]


def write_index(folder, ending, count=8, **changes):
    (folder / "recordings").mkdir(parents=True, exist_ok=True)
    with (folder / "list.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for place in range(count):
            group = (1, 2, 3, 4)[place % 4]
            cells = dict(
                zip(
                    HEADER,
                    (f"p{place}", f"e{place}", f"r{place}{ending}", group, "sinus rhythm", 50 + place, "wm"[place % 2]),
                    strict=False,
                )
            )
            cells |= {"codes": ("10", "20+99", "21 + 10")[place % 3], "af": int(place % 3 > 0)}
            cells |= changes.get(f"row{place}", {})
            table.writerow(cells[name] for name in HEADER)


def write_folder(root, name="ward", ending="", arrays="", count=8, **changes):
    folder = root / name
    write_index(folder, ending, count, **changes)
    (folder / "dataset.toml").write_text(DESCRIPTION.replace("ARRAYS", arrays), "utf-8")
    return folder


def write_signals(folder, signals, write):
    for place, signal in enumerate(signals):
        write(folder / "recordings" / f"r{place}", signal)


def write_npy(path, signal):
    np.save(path.with_suffix(".npy"), signal.astype(np.float32))


@pytest.fixture
def data_folder(tmp_path, monkeypatch, home):  # `home` hides the data folder of the machine, so it comes first
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("ECGARENA_DATA", str(folder))
    return folder


def test_wfdb_files_become_a_dataset_of_the_folders_name(data_folder, home):
    folder, signals = write_folder(data_folder), millivolt()
    write_signals(folder, signals, lambda path, signal: write_record(path, np.round(signal * 1000).astype(int), 100))
    data = prepare("ward", {}, home)
    assert len(data) == 8 and data.rate == 100 and np.abs(data.millivolt(range(8)) - signals).max() < 2e-3
    assert data.manifest["splits"] == {"train": 4, "val": 2, "test": 2}
    assert data.label_set("rhythm").classes == ("SR", "AF")
    assert data.label_set("rhythm").matrix[:3].tolist() == [[1, 0], [0, 1], [1, 1]]
    assert list(data.table["age"][:2]) == [50, 51] and list(data.table["sex"][:2]) == ["female", "male"]
    assert "ward" in DATASETS.names() and DATASETS.origin("ward").endswith("dataset.toml")
    assert failures(dataset_checks(DATASETS.get("ward")(), root=folder)) == {}
    assert relation("ward", "ptbxl") == "contains"


def write_mat(path, signal):
    import scipy.io

    scipy.io.savemat(path.with_suffix(".mat"), {"val": np.round(signal.T * 1000).astype(np.int16)})


def write_h5(path, signal):
    import h5py

    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["a/ecg"] = signal / 1000


def write_npz(path, signal):
    np.savez(path.with_suffix(".npz"), ecg=signal.T * 1000)


@pytest.mark.parametrize(
    ("ending", "unit", "write"),
    [(".npy", "mV", write_npy), (".npz", "uV", write_npz), (".mat", "uV", write_mat), (".h5", "V", write_h5)],
)
def test_each_format_of_arrays_gives_the_same_signals(ending, unit, write, data_folder, home):
    if ending == ".h5":
        pytest.importorskip("h5py", reason="h5py is not installed: HDF5 files are refused with a sentence")
    folder, signals = write_folder(data_folder, ending=ending, arrays=f'{ARRAYS}"{unit}"'), millivolt()
    write_signals(folder, signals, write)
    data = prepare("ward", {}, home)
    assert np.abs(data.millivolt(range(8)) - signals).max() < 1e-3 and not read_preparation_log(data).left_out


def test_one_file_may_hold_all_recordings(data_folder, home):
    rows = {f"row{place}": {"file": "all.npy", "years": place} for place in range(8)}
    folder, signals = write_folder(data_folder, arrays=f'{ARRAYS}"mV"', **rows), millivolt()
    text = (folder / "dataset.toml").read_text("utf-8")
    (folder / "dataset.toml").write_text(text.replace('age = "years"', 'row = "years"'), "utf-8")
    np.save(folder / "recordings" / "all.npy", signals)
    assert np.abs(prepare("ward", {}, home).millivolt(range(8)) - signals).max() < 1e-3


def test_without_h5py_a_sentence_says_what_to_install(data_folder, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    folder = write_folder(data_folder, ending=".h5", arrays=f'{ARRAYS}"mV"')
    write_signals(folder, millivolt(), lambda path, _: path.with_suffix(".h5").write_bytes(b"\x89HDF"))
    with pytest.raises(DataError, match=r"r0\.h5 is an HDF5 file, which needs h5py to be read: pip install h5py"):
        prepare("ward", {}, home)


def test_an_index_in_parquet_is_read_like_one_in_csv(data_folder, home):
    import pandas as pd

    folder = write_folder(data_folder, ending=".npy", arrays=f'{ARRAYS}"mV"')
    write_signals(folder, millivolt(), write_npy)
    digest = prepare("ward", {}, home).digest
    text = (folder / "dataset.toml").read_text("utf-8").replace("list.csv", "list.parquet")
    (folder / "dataset.toml").write_text(text, "utf-8")
    try:
        pd.read_csv(folder / "list.csv").to_parquet(folder / "list.parquet")
    except ImportError:
        (folder / "list.parquet").write_bytes(b"PAR1")
        with pytest.raises(DataError, match=r"needs pyarrow to be read: pip install pyarrow, or save the index as CSV"):
            list(DATASETS.get("ward")().entries(folder))
    else:
        other = type(home)(home.root / "other")
        assert prepare("ward", {}, other).digest == digest


def test_an_array_needs_its_leads_and_its_unit(data_folder):
    folder = write_folder(data_folder, ending=".npy")
    with pytest.raises(DataError, match=r"list\.csv, line 2, column file: 'r0\.npy' holds numbers alone: add") as error:
        DATASETS.get("ward")().entries(folder)
    assert "signals.leads and signals.unit" in str(error.value)


def test_check_says_once_what_several_checks_fail_on(data_folder, capsys):
    write_folder(data_folder, ending=".npy")
    assert main(["check", "ward"]) == 3
    out = capsys.readouterr().out
    assert "index, patients, labels, signals: DataError: 1 wrong cell; " in out
    assert out.count("holds numbers alone") == 1


def test_every_wrong_cell_is_named_with_line_and_column(data_folder):
    wrong = {
        "row0": {"group": "9", "af": "maybe"},
        "row1": {"gender": "x", "years": "old"},
        "row2": {"who": "", "exam": "e0"},
    }
    folder = write_folder(data_folder, **wrong)
    with pytest.raises(DataError) as error:
        DATASETS.get("ward")().entries(folder)
    text = str(error.value)
    assert text.startswith("6 wrong cells; correct the index, or what ")
    for line, column in ((2, "group"), (2, "af"), (3, "gender"), (3, "years"), (4, "who"), (4, "exam")):
        assert f"list.csv, line {line}, column {column}: " in text


def test_missing_columns_are_named_with_the_nearest(data_folder):
    folder = write_folder(data_folder)
    text = (folder / "list.csv").read_text("utf-8").replace("who,exam", "whom,exam").replace(",af", ",atrial")
    (folder / "list.csv").write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"lacks the columns who \(did you mean 'whom'\?\); af .*dataset\.toml"):
        DATASETS.get("ward")().entries(folder)


def test_a_misspelt_code_is_no_empty_class(data_folder):
    folder = write_folder(data_folder)
    text = (folder / "dataset.toml").read_text("utf-8").replace('SR = ["10"]', 'SR = ["100"]')
    (folder / "dataset.toml").write_text(text, "utf-8")
    with pytest.raises(
        DataError, match=r"column codes: no row has a code of the class 'SR' \(100\).*did you mean '10'"
    ):
        DATASETS.get("ward")().entries(folder)


def test_all_mistakes_of_a_description_are_one_error(data_folder):
    folder = write_folder(data_folder)
    text = (folder / "dataset.toml").read_text("utf-8")
    changes = {
        'title = "Ward 7"': "",
        'patient = "who"': 'patent = "who"',
        "rate = 100": 'rate = -1\nunit = "volt"\nleads = ["I", "II", "V11"]',
        "test = [4]": "test = [3]",
        'columns = { AF = "af" }': 'codes = "af"',
    }
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "dataset.toml").write_text(text, "utf-8")
    with pytest.raises(UsageError) as error:
        DATASETS.get("ward")
    for part in (
        "title is missing",
        "columns.patent is no key (did you mean 'patient'?)",
        "columns.patient is missing",
        "signals.rate: ",
        "signals.unit: ",
        "signals.leads: 'V11' is no lead (did you mean 'V1'?)",
        "split: 3 would be in two splits",
        "label_sets.fibrillation: give either columns",
    ):
        assert part in str(error.value), part
    assert main(["list", "datasets"]) == 0  # it stops nobody who does not use it


def test_a_wrong_unit_names_the_setting(data_folder, home):
    folder = write_folder(data_folder, ending=".npy", arrays=f'{ARRAYS}"V"')
    write_signals(folder, millivolt(), write_npy)
    with pytest.raises(BenchmarkError, match=r"32\.767 \(is signals\.unit right\?\)"):
        prepare("ward", {}, home)


def test_pickled_arrays_are_never_loaded(data_folder, home):
    folder = write_folder(data_folder, ending=".npy", arrays=f'{ARRAYS}"mV"')
    objects = np.array([{"a": 1}], dtype=object)
    write_signals(folder, millivolt(), lambda path, _: np.save(path.with_suffix(".npy"), objects, allow_pickle=True))
    with pytest.raises(BenchmarkError, match=r"allow_pickle=False|Python objects"):
        prepare("ward", {}, home)


def test_a_seeded_split_is_by_patient(data_folder):
    folder = write_folder(data_folder, count=60, **{f"row{place}": {"who": f"p{place // 3}"} for place in range(60)})
    text = (folder / "dataset.toml").read_text("utf-8")
    start, end = text.index('column = "group"'), text.index("[sexes]")
    text = f"{text[:start]}seed = 1\nval_share = 0.2\ntest_share = 0.3\n\n{text[end:]}"
    (folder / "dataset.toml").write_text(text, "utf-8")
    splits = {}
    for entry in DATASETS.get("ward")().entries(folder):
        splits.setdefault(entry.patient_id, set()).add(entry.split)
    assert len(splits) == 20 and all(len(own) == 1 for own in splits.values())
    assert {split for own in splits.values() for split in own} == {"train", "val", "test"}


def test_a_changed_description_is_another_version(data_folder, home):
    folder = write_folder(data_folder, ending=".npy", arrays=f'{ARRAYS}"mV"')
    write_signals(folder, millivolt(), write_npy)
    prepare("ward", {}, home)
    path = folder / "dataset.toml"
    path.write_text(path.read_text("utf-8").replace("Ward 7", "Ward 8"), "utf-8")
    assert open_dataset("ward", {}, home)  # a title is no part of the question
    path.write_text(path.read_text("utf-8").replace('AF = ["20", "21"]', 'AF = ["20"]'), "utf-8")
    with pytest.raises(DataError, match=r"was prepared from version \d+ of ward, now it is version \d+; remove that"):
        open_dataset("ward", {}, home)


def test_its_class_can_be_sent_to_another_process(data_folder):
    folder = write_folder(data_folder)
    dataset = pickle.loads(pickle.dumps(DATASETS.get("ward")()))
    assert dataset.rate == 100 and len(dataset.entries(folder)) == 8


def test_a_built_in_name_wins_and_the_folder_is_reported(data_folder):
    write_folder(data_folder, name="ptbxl")
    assert DATASETS.origin("ptbxl") == "built-in" and not hasattr(DATASETS.get("ptbxl"), "description")
    assert any("ptbxl/dataset.toml is hidden" in problem for problem in DATASETS.conflicts())
    with pytest.raises(UsageError, match=r"is called as the folder: write \$ECGARENA_DATA/NAME/dataset\.toml"):
        DATASETS.get("folder")


def test_prompts_beside_it_may_have_several_phrases_for_each_class(data_folder):
    folder = write_folder(data_folder)
    (folder / "prompts.json").write_text('{"SR": "sinus rhythm", "AF": ["atrial fibrillation", "AFib"]}', "utf-8")
    phrases = load_prompts("ward").phrases("ward", "rhythm", ("SR", "AF"))
    assert phrases == [["sinus rhythm"], ["atrial fibrillation", "AFib"]]
    (folder / "prompts.json").write_text('{"SR": ["a", "A"], "AF": [], "PVC": 3}', "utf-8")
    with pytest.raises(UsageError, match=r"'A' stands there twice(.|\n)*AF: must be(.|\n)*PVC: must be"):
        load_prompts("ward")


SUITE = """
name = "wards"
title = "Two wards"
version = "1"

[[datasets]]
name = "ward"
label_sets = ["rhythm"]

[[datasets]]
name = "clinic"
label_sets = ["rhythm", "years"]

[[tasks]]
name = "ridge"

[[tasks]]
name = "regression_probe"

[[methods]]
name = "handcrafted"
"""


def test_two_folders_side_by_side_become_a_leaderboard(data_folder, home, tmp_path):
    for name in ("ward", "clinic"):
        folder = write_folder(data_folder, name, ending=".npy", arrays=f'{ARRAYS}"mV"', count=24)
        write_signals(folder, millivolt(24), write_npy)
    with (folder / "dataset.toml").open("a") as file:
        file.write('[targets.years]\ncolumn = "years"\nunit = "years"\nlow = 0\nhigh = 120\n')
    suite = tmp_path / "wards.toml"
    suite.write_text(SUITE, "utf-8")
    assert main(["run", str(suite), "--home", str(home.root), "-q"]) == 0
    table = (home.leaderboards / "wards.md").read_text("utf-8")
    assert "clinic/years: MAE in years, lower is better" in table
    assert "ward, contamination: handcrafted clean" in table
    assert "clinic, contamination: handcrafted, training_mean clean" in table
