"""MIMIC-IV-ECG on made-up trees in its layout: reports joined by study, cleaned, short ones counted; leads by name."""

import csv
import shutil

import numpy as np
import pytest

from benchmark.data.store.preparation import prepare, read_preparation_log
from benchmark.datasets.mimic_iv_ecg import MIMICIVECG, clean_report, measurements
from benchmark.datasets.synthetic import Synthetic
from benchmark.errors import DataError, MissingError, UsageError
from benchmark.testing import write_mimic_iv_ecg


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("mimic")
    return root, write_mimic_iv_ecg(root, patients=12)


def edit(root, tmp_path, table, change):
    """A copy of the tables (signals linked) with one of them changed, as lists of cells."""
    copy = tmp_path / "copy"
    copy.mkdir(exist_ok=True)
    for name in ("record_list.csv", "machine_measurements.csv"):
        shutil.copy(root / name, copy)
    (copy / "files").symlink_to(root / "files")
    with (copy / table).open(newline="") as file:
        rows = list(csv.reader(file))
    with (copy / table).open("w", newline="") as file:
        csv.writer(file).writerows(change(rows))
    return copy


def test_the_store_and_what_was_left_out(tree, home):
    root, studies = tree
    data = prepare("mimic_iv_ecg", {}, home, root)
    log = read_preparation_log(data)
    assert {result["record_id"]: result["problem"] for result in log.left_out} == {
        str(studies[0]): "its report has fewer than 4 words",
        str(studies[1]): "its report has fewer than 4 words",
        str(studies[2]): "machine_measurements.csv has no row with its study_id",
    }
    assert list(data.record_ids) == [str(study) for study in studies[3:]]
    assert set(data.languages) == {"en"} and set(data.devices) <= {f"cart {6_000_000 + i}" for i in range(3)}
    kinds = {(result["record_id"], result["kind"], result["detail"]) for result in log.remarks}
    assert (str(studies[3]), "a lead without any sample, read as 0 mV", "V4") in kinds
    assert (str(studies[4]), "missing samples, read as 0 mV", "5") in kinds
    assert not data.millivolt([0])[0, 9].any() and data.millivolt([0])[0, 8].any()
    assert (
        data.manifest["label_sets"] == {}
        and prepare("mimic_iv_ecg", {"min_words": 0}, home, root).manifest["left_out"] == 1
    )


def test_the_machines_measurements_are_targets_and_29999_is_none(tree, home):
    root, studies = tree
    data = prepare("mimic_iv_ecg", {}, home, root)
    place = list(data.record_ids).index(str(studies[4]))
    for name, value in {
        "pr_interval": 160,
        "p_duration": 100,
        "qrs_duration": 94,
        "qt_interval": 380,
        "t_axis": 45,
    }.items():
        assert data.supplement.values(name)[place] == value, name
    third = list(data.record_ids).index(str(studies[3]))
    assert np.isnan(data.supplement.values("pr_interval")[third]) and np.isnan(data.supplement.values("p_axis")[third])
    assert data.supplement.values("rr_interval")[third] > 300
    assert set(data.supplement.counts("p_axis")) == {"missing"} and not data.supplement.counts("t_axis")


def test_measurements_that_are_no_numbers_are_absent():
    header = ["rr_interval", "p_onset", "qrs_onset", "qrs_end"]
    assert measurements(["", "29999", "200", "x"], header) == {}
    assert measurements(["812", "40", "200", "290.0"], header) == {
        "rr_interval": 812, "pr_interval": 160, "qrs_duration": 90,
    }  # fmt: skip


def test_native_lead_order_is_put_right(tree, home):
    """aVF stands before aVL in the files; by position the two would be swapped, and Einthoven's law broken."""
    root, _ = tree
    data = prepare("mimic_iv_ecg", {}, home, root)
    raw = next(iter(MIMICIVECG(min_words=0).entries(root)))
    assert MIMICIVECG().read(raw, root).leads[4:6] == ("aVF", "aVL")
    entries = Synthetic(rate=500, patients=12).entries(None)
    row, source = len(data) - 1, entries[-1]
    expected = Synthetic(rate=500, patients=12).read(source).adc // 5 / 200
    assert np.abs(data.millivolt([row])[0] - expected).max() < 1e-5
    assert not [log for log in read_preparation_log(data).remarks if "Einthoven" in log["kind"]]


def test_reports_are_joined_by_study_and_never_by_row_order(tree):
    root, studies = tree
    entries = list(MIMICIVECG().entries(root))
    sources = Synthetic(rate=500, patients=12).entries(None)
    assert [entry.record_id for entry in entries] == [str(study) for study in studies]
    for entry, source in list(zip(entries, sources, strict=True))[3:]:
        output = [line.strip() for line in source.report.replace("\n", ".").split(".") if line.strip()]
        assert ". ".join(output).lower().replace("ekg", "ecg") in entry.report
    with (root / "machine_measurements.csv").open(newline="") as file:
        assert [row["study_id"] for row in csv.DictReader(file)] != [str(study) for study in studies]


def test_patients_stay_whole_and_a_seed_moves_them(tmp_path):
    write_mimic_iv_ecg(tmp_path, patients=150, samples=2, same_signal=True, odd=False)
    splits = {}
    for entry in MIMICIVECG().entries(tmp_path):
        splits.setdefault(entry.patient_id, set()).add(entry.split)
    assert len(splits) == 150 and all(len(result) == 1 for result in splits.values())
    assert {split for result in splits.values() for split in result} == {"train", "val", "test"}
    other = {entry.patient_id: {entry.split} for entry in MIMICIVECG(split_seed=1).entries(tmp_path)}
    assert other != splits and other.keys() == splits.keys()


@pytest.mark.parametrize(
    "lines, text, words",
    [
        (["Sinus rhythm", "Normal ECG"], "sinus rhythm. normal ecg.", 4),
        (["*** ekg: Sinus rhythm.", "", "nan", "Left axis ***"], "ecg: sinus rhythm.. left axis.", 5),
        (["=-EKG\tof\nto-day=-"], "ecg of to day.".replace("to day", "to-day"), 3),
        (["", "nan", ""], "", 0),
        (["***"], "", 0),
    ],
)
def test_cleaning(lines, text, words):
    assert clean_report(lines) == (text, words)


def test_fewer_report_columns_and_none(tree, tmp_path):
    root, studies = tree

    def without(names):
        def change(rows):
            keep = [i for i, name in enumerate(rows[0]) if not name.startswith(names)]
            return [[row[i] for i in keep] for row in rows]

        return change

    copy = edit(root, tmp_path / "few", "machine_measurements.csv", without(tuple(f"report_{i}" for i in range(1, 18))))
    first = {entry.record_id: entry.report for entry in MIMICIVECG().entries(copy)}
    assert first[str(studies[5])] == "sinus rhythm assumed by the ecg machine.."
    copy = edit(root, tmp_path / "none", "machine_measurements.csv", without(("report_",)))
    with pytest.raises(DataError, match=r"machine_measurements.csv has no column report_0"):
        list(MIMICIVECG().entries(copy))


@pytest.fixture(autouse=True)
def folders(tmp_path):
    (tmp_path / "few").mkdir()
    (tmp_path / "none").mkdir()


@pytest.mark.parametrize(
    "table, change, words",
    [
        (
            "record_list.csv",
            lambda rows: [[rows[0][0], "study", *rows[0][2:]], *rows[1:]],
            "lacks the column study_id",
        ),
        (
            "record_list.csv",
            lambda rows: [*rows[:3], rows[3][:2], *rows[4:]],
            "line 4: 2 cells, the header has 5",
        ),
        (
            "record_list.csv",
            lambda rows: [*rows, ["x", *rows[-1][1:]]],
            "record_list.csv, line 21, column subject_id: is 'x', it must be a whole number",
        ),
        ("record_list.csv", lambda rows: [*rows, rows[1]], "1 record ids occur twice"),
        ("machine_measurements.csv", lambda rows: [*rows, rows[1]], "stands in more than one row"),
        ("machine_measurements.csv", lambda rows: [rows[0]], "none of the 19 recordings"),
    ],
)
def test_wrong_tables_are_one_clear_error(tree, home, tmp_path, table, change, words):
    with pytest.raises(DataError, match=words):
        prepare("mimic_iv_ecg", {}, home, edit(tree[0], tmp_path, table, change))


def test_where_nothing_can_be_read_the_commonest_reasons_are_counted(tree, home, tmp_path):
    def change(rows):
        path = rows[0].index("path")
        return [rows[0], *([*row[:path], f"{row[path]}.hea", *row[path + 1 :]] for row in rows[1:])]

    root = edit(tree[0], tmp_path, "record_list.csv", change)
    with pytest.raises(DataError) as raised:
        prepare("mimic_iv_ecg", {}, home, root)
    heading, *reasons = str(raised.value).splitlines()
    assert heading == "none of the 19 recordings of mimic_iv_ecg can be read:"
    assert reasons[0].startswith("  - 16 recordings: the header is missing (download it again), of ")
    assert reasons[0].endswith(".hea.hea first") and reasons[1:] == [
        "  - 2 recordings: its report has fewer than 4 words",
        "  - 1 recording: machine_measurements.csv has no row with its study_id",
    ]


def test_a_study_of_two_patients_is_left_out(tree, home, tmp_path):
    root, studies = tree

    def change(rows):
        return [[("1" + row[0][1:] + "9") if row[1] == str(studies[6]) else row[0], *row[1:]] for row in rows]

    data = prepare("mimic_iv_ecg", {}, home, edit(root, tmp_path, "machine_measurements.csv", change))
    assert {
        "record_id": str(studies[6]),
        "problem": "machine_measurements.csv gives its study_id to another subject_id",
    } in (read_preparation_log(data).left_out)


def test_without_the_table_of_diagnoses_it_has_no_labels_and_says_so(tree, home):
    lines = []
    data = prepare("mimic_iv_ecg", {}, home, tree[0], say=lines.append)
    assert [line for line in lines if "records_w_diag_icd10.csv is not in" in line]
    with pytest.raises(UsageError, match="mimic_iv_ecg has no label set 'super'"):
        data.label_set("super")
    with pytest.raises(MissingError, match="'ecgarena data prepare mimic_iv_ecg' adds it from the original tables"):
        data.label_set("icd10_heart")


def test_a_suite_that_asks_for_labels_is_refused(tiny_suite):
    from benchmark.planning.plan import make_plan
    from benchmark.planning.suites import load_suite

    text = tiny_suite.read_text().replace('name = "synthetic"\nlabel', 'name = "mimic_iv_ecg"\nlabel')
    tiny_suite.write_text(text.replace("config = { patients = 120 }\n", ""))
    with pytest.raises(UsageError, match="mimic_iv_ecg has no label set 'groups'"):
        make_plan(load_suite(str(tiny_suite)))
