"""What lies beside a store: it leaves the digest alone, joins older stores, says what it leaves out, notices damage."""

import json
import shutil

import numpy as np
import pytest

from benchmark.api import Target
from benchmark.cli import main
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.checking import check
from benchmark.data.store.preparation import open_dataset, prepare
from benchmark.data.store.source_files import check_originals
from benchmark.data.store.supplement import usable
from benchmark.datasets.ptbxl import PTBXL
from benchmark.datasets.synthetic import Synthetic
from benchmark.engine.without_test import WithoutTest
from benchmark.errors import DataError, MissingError, UsageError
from benchmark.testing import write_ptbxl

PATIENTS = {"patients": 120}


@pytest.fixture
def tree(tmp_path):
    write_ptbxl(tmp_path / "ptbxl", patients=30)
    return tmp_path / "ptbxl"


def without_supplement(data):
    """The store as an older version prepared it."""
    shutil.rmtree(data.path / "supplement")
    return open_dataset(data.manifest["dataset"], data.manifest["config"], home_of(data))


def home_of(data):
    from benchmark.paths import Home

    return Home(data.path.parent.parent)


def test_the_digest_of_a_store_is_what_it_was_before_there_were_supplements(synthetic_home):
    assert open_dataset("synthetic", PATIENTS, synthetic_home).digest == "5284095384c4fd32"


def test_an_older_store_gets_its_supplement_from_the_tables_and_keeps_every_other_file(tree, home):
    data = prepare("ptbxl", {}, home, tree)
    first = {name: data.values_digest(name) for name in data.supplement.names}
    before = {path.name: path.read_bytes() for path in data.path.iterdir() if path.is_file()}
    older = without_supplement(data)
    assert older.places == ("super", "sub", "form", "rhythm") and older.values_digest("all") is None
    shutil.rmtree(tree / "records100")  # no signal is needed
    lines = []
    again = prepare("ptbxl", {}, home, tree, say=lines.append)
    assert lines == [
        "writing all, diag, sex, heart_axis, infarction_stadium, quality, age beside the store, whose digest stays"
    ]
    assert {path.name: path.read_bytes() for path in data.path.iterdir() if path.is_file()} == before
    assert {name: again.values_digest(name) for name in again.supplement.names} == first
    prepare("ptbxl", {}, home, tree, say=lines.append)
    assert len(lines) == 1, "written once"


def test_without_the_tables_an_older_store_serves_what_it_has_and_says_what_it_lacks(tree, home):
    data = without_supplement(prepare("ptbxl", {}, home, tree))
    lines = []
    prepare("ptbxl", {}, home, say=lines.append)
    assert len(lines) == 1 and "lacks all, diag, sex" in lines[0] and "set ECGARENA_DATA" in lines[0]
    assert len(data.label_set("super").classes) == 5
    for ask in (lambda: data.label_set("diag"), lambda: data.target("age")):
        with pytest.raises(MissingError, match="'ecgarena data prepare ptbxl' adds it from the original tables"):
            ask()
    with pytest.raises(UsageError, match="no label set 'agee' \\(did you mean 'age'\\?\\)"):
        data.label_set("agee")


def test_a_run_on_an_older_store_is_refused_before_its_first_cell(tree, home, tmp_path, capsys):
    without_supplement(prepare("ptbxl", {}, home, tree))
    suite = tmp_path / "s.toml"
    suite.write_text(
        'name = "s"\ntitle = "t"\nversion = "1"\n[[datasets]]\nname = "ptbxl"\nlabel_sets = ["super", "diag"]\n'
        '[[tasks]]\nname = "ridge"\n[[methods]]\nname = "random_init"\nconfig = { width = 8 }\n'
    )
    assert main(["run", str(suite), "-q"]) == 5
    assert "was prepared before ptbxl had 'diag'" in capsys.readouterr().err
    assert not home.records.exists() or not list(home.records.rglob("record.json"))


def test_labels_beside_the_store_are_those_of_the_entries_and_of_the_classes_in_it(tree, home):
    data = prepare("ptbxl", {}, home, tree)
    entries = {entry.record_id: entry for entry in PTBXL().entries(tree)}
    for name in ("all", "heart_axis", "quality"):
        labels = data.label_set(name)
        for row, positives in zip(labels.rows, labels.matrix, strict=True):
            present = tuple(np.array(labels.classes)[positives.astype(bool)])
            assert present == entries[data.record_ids[row]].labels[name]
    both = data.label_set("all"), data.label_set("rhythm")
    for code in ("SR", "AFIB"):
        members = [set(labels.rows[labels.matrix[:, labels.classes.index(code)] == 1]) for labels in both]
        assert members[0] == members[1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "missing"), (np.nan, "missing"), (np.inf, "infinite"), (-np.inf, "infinite"),
     (300, "outside"), (-1, "outside"), (0, ""), (89, ""), (45.5, "")],
)  # fmt: skip
def test_a_number_is_usable_or_has_a_reason(value, reason):
    number, why = usable(value, Target("years", 0, 89))
    assert why == reason and (np.isnan(number) if reason else number == value)


class Odd(Synthetic):
    """Ages that are missing, infinite, beyond the range, and the rest."""

    change = staticmethod(lambda number, age: (age, None, np.inf, 300.0)[number % 4])

    def entries(self, root=None):
        for number, entry in enumerate(super().entries(root)):
            age = self.change(number, entry.age)
            object.__setattr__(entry, "targets", {"heart_rate": 60.0} | ({} if age is None else {"age": age}))
            yield entry


@pytest.fixture
def odd(monkeypatch):
    from benchmark.registry import DATASETS

    monkeypatch.setitem(DATASETS._classes, "synthetic", Odd)
    return Odd


def test_numbers_that_are_not_usable_are_counted_said_and_left_out(odd, home, capsys):
    data = prepare("synthetic", PATIENTS, home)
    counts = data.supplement.counts("age")
    assert set(counts) == {"missing", "infinite", "outside"} and sum(counts.values()) + len(
        data.target("age").rows
    ) == len(data)
    note = data.unlabelled("age")
    assert "have no usable age and are left out" in note and f"{counts['outside']} outside of 0 to 95 years" in note
    assert main(["data", "prepare", "synthetic", "--set", "patients=120"]) == 0
    assert note in capsys.readouterr().out
    rows = LabelledRows.of(data, "age", None)
    assert rows.classes == () and np.isfinite(rows.values["test"]).all() and len(rows.truth(data).values)
    assert set(rows.without_test().values) == {"train", "val"}


def test_a_number_that_is_constant_or_missing_throughout_is_noted_by_the_check(odd, home, monkeypatch):
    monkeypatch.setattr(odd, "change", staticmethod(lambda number, age: None))
    data = prepare("synthetic", PATIENTS, home)
    notes = {finding.problem for finding in check(data, odd(**PATIENTS)).findings["supplement"]}
    assert notes == {
        "heart_rate is 60 in all recordings: there is nothing to predict",
        "age has no usable value: there is nothing to predict",
    }
    with pytest.raises(UsageError, match="synthetic/age has no recordings in train, val, test"):
        LabelledRows.of(data, "age", None)


def test_other_values_have_another_digest_and_other_words_have_not(odd, home, monkeypatch):
    data = prepare("synthetic", PATIENTS, home)
    first = data.values_digest("age")
    monkeypatch.setattr(odd, "targets", {**odd.targets, "age": Target("years", 0, 95, "in other words")})
    again = prepare("synthetic", PATIENTS, home)
    assert again.values_digest("age") == first and again.supplement.targets["age"].about == "in other words"
    monkeypatch.setattr(odd, "targets", {**odd.targets, "age": Target("years", 0, 80)})
    assert prepare("synthetic", PATIENTS, home).values_digest("age") != first
    assert prepare("synthetic", PATIENTS, home).digest == data.digest


@pytest.mark.parametrize("file", ["age.npy", "supplement.json"])
def test_damage_is_noticed_by_whoever_reads_and_by_the_check(file, prepared_home):
    data = open_dataset("synthetic", PATIENTS, prepared_home)
    path = data.path / "supplement" / file
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="was changed or damaged after it was written; remove"):
        open_dataset("synthetic", PATIENTS, prepared_home).target("age")
    if file == "age.npy":
        [finding] = check(open_dataset("synthetic", PATIENTS, prepared_home), Synthetic(**PATIENTS)).findings[
            "supplement"
        ]
        assert finding.wrong and "age.npy" in finding.problem


def test_the_supplement_of_another_store_is_none(prepared_home, reseal):
    data = open_dataset("synthetic", PATIENTS, prepared_home)
    values = data.values_digest("age")
    records = data.path / "records.csv"
    records.write_text(records.read_text("utf-8").replace("female", "male"), "utf-8")
    reseal(data.path)
    other = open_dataset("synthetic", PATIENTS, prepared_home)
    assert other.digest != data.digest and not other.supplement.names
    assert prepare("synthetic", PATIENTS, prepared_home).values_digest("age") == values


def test_tables_of_other_recordings_are_refused(tree, home):
    data = without_supplement(prepare("ptbxl", {}, home, tree))
    table = (tree / "ptbxl_database.csv").read_text("utf-8").splitlines()
    (tree / "ptbxl_database.csv").write_text("\n".join(table[:1] + table[2:]) + "\n", "utf-8")
    with pytest.raises(DataError, match="recording 1 is not among them in its place"):
        prepare("ptbxl", {}, home, tree)
    assert not (data.path / "supplement").exists() and not list(data.path.glob(".supplement*"))


def test_the_check_of_original_files_compares_numbers_and_further_labels(tree, home):
    import pandas as pd

    data = prepare("ptbxl", {}, home, tree)
    assert check_originals(data, PTBXL(), tree) == []
    table = pd.read_csv(tree / "ptbxl_database.csv", dtype=str, keep_default_na=False)
    table.loc[table["ecg_id"] == "2", "age"] = "77.5"
    table.loc[table["ecg_id"] == "4", "heart_axis"] = "SAG"
    table.to_csv(tree / "ptbxl_database.csv", index=False)
    [(problem, _, names, count, wrong)] = check_originals(data, PTBXL(), tree)
    assert wrong and count == 2 and names == ("2", "4") and "labels or numbers" in problem


def test_a_recording_that_was_left_out_has_no_row_beside_the_store(tree, home):
    next((tree / "records100").rglob("*00003_lr.dat")).unlink()
    data = prepare("ptbxl", {}, home, tree)
    entries = {entry.record_id: entry for entry in PTBXL().entries(tree)}
    assert "3" not in data.record_ids and len(data.supplement.values("age")) == len(data)
    ages = data.supplement.values("age")
    expected = [usable(entries[name].targets["age"], PTBXL.targets["age"])[0] for name in data.record_ids]
    assert np.array_equal(ages, expected, equal_nan=True)


def test_what_chooses_among_trials_sees_no_number_and_no_further_label_of_test(tree, home):
    data = prepare("ptbxl", {}, home, tree)
    blind = WithoutTest(data)
    for whole, rows in (
        (data.target("age"), blind.target("age").rows),
        (data.label_set("all"), blind.label_set("all").rows),
    ):
        assert "test" in set(data.splits[whole.rows]) and set(data.splits[rows]) == {"train", "val"}
    assert len(blind.target("age").values) == len(blind.target("age").rows)


def test_show_names_label_sets_and_targets_with_their_units(capsys):
    assert main(["show", "ptbxl"]) == 0
    text = capsys.readouterr().out
    assert "all: 71 classes" in text and "age: 0 to 89 years; of the patient; everybody over 89 is coded 300" in text
    assert main(["show", "mimic_iv_ecg", "--json"]) == 0
    description = json.loads(capsys.readouterr().out)
    assert list(description["label_sets"]) == ["icd10_heart"] and description["targets"]["qt_interval"]["unit"] == "ms"
