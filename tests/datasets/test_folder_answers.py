"""Folders with numbers, categories, unknown labels and fewer than twelve leads."""

import unicodedata

import numpy as np
import pytest

from benchmark.api import LEADS, SignalSpec
from benchmark.contract import failures
from benchmark.contract.datasets import dataset_checks
from benchmark.data.signals.conditions import ConditionedDataset, SignalCondition
from benchmark.data.signals.few_leads import available_leads, with_derived
from benchmark.data.store.checking import check
from benchmark.data.store.preparation import open_dataset, prepare
from benchmark.datasets.folder.description import Signals, read_description
from benchmark.datasets.folder.signal_files import read_signal
from benchmark.datasets.synthetic import Synthetic
from benchmark.errors import DataError, RecordingError, UsageError
from benchmark.registry import DATASETS
from benchmark.testing.records import write_record

DESCRIPTION = """
title = "Ward 7"
source = "our hospital"
licence = "not to be passed on"

[columns]
record = "exam"
path = "file"
patient = "exam"

[split]
column = "group"

[signals]
rate = 100
unit = "mV"
leads = {leads}
"""
NUMBER = '\n[targets.rate]\ncolumn = "bpm"\nunit = "beats/min"\nlow = 20\nhigh = 250\nunknown = ["?"]\n'
SPLITS = ("train", "train", "val", "test")


@pytest.fixture
def ward(tmp_path, monkeypatch, home):
    """Write 16 recordings of some leads, an index with further columns and a description with further tables."""
    monkeypatch.setenv("ECGARENA_DATA", str(tmp_path))

    def write(tables, leads=LEADS, **columns):
        folder = tmp_path / "ward"
        folder.mkdir(exist_ok=True)
        synthetic = Synthetic(rate=100, patients=16)
        columns = {"bpm": [60 + n for n in range(16)], **columns}
        lines = [",".join(("exam", "file", "group", *columns))]
        for n, entry in enumerate(synthetic.entries()[:16]):
            adc = synthetic.read(entry).adc[[LEADS.index(lead) for lead in leads]]
            np.save(folder / f"{n}.npy", adc / 1000)
            lines.append(",".join(map(str, (f"e{n}", f"{n}.npy", SPLITS[n % 4], *(c[n] for c in columns.values())))))
        (folder / "index.csv").write_text("\n".join(lines), "utf-8")
        (folder / "dataset.toml").write_text(DESCRIPTION.format(leads=list(leads)) + tables, "utf-8")
        return folder

    return write


def refusal(folder):
    with pytest.raises(DataError) as error:
        DATASETS.get("ward")().entries(folder)
    return str(error.value)


def test_a_number_becomes_a_target_beside_the_store(ward, home):
    folder = ward(NUMBER, bpm=["", "?", 300, *range(61, 74)])
    data = prepare("ward", {}, home)
    values = data.target("rate")
    assert values.target.unit == "beats/min" and values.rows.tolist() == list(range(3, 16))
    assert values.values.tolist() == list(range(61, 74))
    assert data.unlabelled("rate").startswith("3 of 16 recordings have no usable rate")
    assert failures(dataset_checks(DATASETS.get("ward")(), root=folder)) == {}


def test_what_is_no_number_is_refused_with_the_rule_for_unknown_ones(ward):
    text = refusal(ward(NUMBER, bpm=["old", '"71,5"', *range(14)]))
    assert "line 2, column bpm: is 'old', it must be a number in beats/min or empty" in text
    assert "is '71,5', it must be a number in beats/min or empty, with a point for its decimals" in text
    assert "belongs under unknown of the target" in text


def test_targets_change_no_store_and_another_column_is_another_target(ward, home):
    folder = ward(NUMBER, qt=range(30, 46))
    first = prepare("ward", {}, home)
    digest = first.values_digest("rate")
    text = (folder / "dataset.toml").read_text("utf-8")
    (folder / "dataset.toml").write_text(text.replace('"bpm"', '"qt"'), "utf-8")
    again = prepare("ward", {}, home)
    assert again.digest == first.digest and again.target("rate").values.tolist() == list(range(30, 46))
    assert again.values_digest("rate") != digest


CATEGORY = '\n[label_sets.sex]\ncategory = "sex"\nclasses = { woman = ["w", 2], man = ["m"] }\n'


def test_a_category_is_one_class_for_each_recording(ward, home):
    ward(CATEGORY, sex=["w", "m", 2, "m"] * 4)
    labels = prepare("ward", {}, home).label_set("sex")
    assert labels.classes == ("woman", "man") and labels.matrix[:4].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_a_category_of_no_class_needs_a_rule(ward, home):
    sexes = ["w", "m", "", "x"] * 4
    text = refusal(ward(CATEGORY, sex=sexes))
    assert "line 4, column sex: is '', which is of no class" in text and "line 5, column sex: is 'x'" in text
    assert "give a class for the rest by otherwise, or list it under unknown" in text
    ward(CATEGORY + 'otherwise = "other"\nunknown = [""]\n', sex=sexes)
    labels = prepare("ward", {}, home).label_set("sex")
    assert labels.classes == ("woman", "man", "other") and labels.rows[:4].tolist() == [0, 1, 3, 4]


ONE = '\n[label_sets.af]\ncolumns = { AF = "af" }\n'


def test_one_class_needs_its_opposite(ward, home):
    ward(ONE, af=[0, 1] * 8)
    with pytest.raises(UsageError, match=r"label_sets\.af: 'AF' is its only class(.|\n)*otherwise = \"no AF\""):
        DATASETS.get("ward")
    ward(ONE + 'otherwise = "no AF"\n', af=[0, 1] * 8)
    assert prepare("ward", {}, home).label_set("af").matrix[:2].tolist() == [[0, 1], [1, 0]]


def test_an_unknown_label_is_refused_without_a_rule_and_left_out_by_one(ward, home):
    tables, labels = ONE + 'otherwise = "no AF"\n', [0, 1, "", -1] * 4
    text = refusal(ward(tables, af=labels))
    assert "is '', it must be 0 or 1; if it means unknown, list it under unknown in label_sets.af" in text
    ward(tables + 'unknown = ["", -1]\n', af=labels)
    assert prepare("ward", {}, home).label_set("af").rows.tolist() == [0, 1, 4, 5, 8, 9, 12, 13]


def test_older_descriptions_keep_their_version(ward):
    folder = ward('\n[label_sets.x]\ncolumns = { AF = "a", SR = "s" }\n')
    assert read_description(folder / "dataset.toml").version() == 1837741721  # as version 0.2 gives it


EIGHT = ("I", "II", *LEADS[6:])


def test_eight_leads_give_twelve(ward, home):
    ward(NUMBER, leads=EIGHT)
    data, whole = prepare("ward", {}, home), Synthetic(rate=100, patients=16)
    expected = np.stack([whole.read(entry).adc for entry in whole.entries()[:16]]) / 1000
    assert data.leads == LEADS and np.abs(data.millivolt(range(16)) - expected).max() < 2.1e-3
    assert data.warnings == ["ward: the leads III, aVR, aVL, aVF are computed from I and II"]
    assert not [f for fs in check(data, DATASETS.get("ward")(), None).findings.values() for f in fs if f.wrong]


def test_a_derived_lead_is_exact_and_as_missing_as_its_sources():
    from benchmark.api import RawSignal
    from benchmark.data.formats.wfdb_reader import MISSING_SAMPLE

    adc = np.array([[3, 5, MISSING_SAMPLE], [8, -2, 4]], np.int16)
    raw = with_derived(RawSignal(adc, np.array([200.0, 200.0]), np.zeros(2, int), 100, ("i", "lead ii")))
    assert raw.leads[2:] == ("III", "aVR", "aVL", "aVF") and set(raw.gain[2:]) == {400.0}
    assert raw.adc[2:, 0].tolist() == [10, -11, -2, 13] and (raw.adc[2:, 2] == MISSING_SAMPLE).all()
    other = with_derived(RawSignal(adc, np.array([200.0, 100.0]), np.array([1, 0]), 100, ("I", "II")))
    assert other.adc[2, 0] == 70 and other.gain[2] == 1000.0  # 80 - 10 microvolts


def test_a_method_that_needs_an_absent_lead_is_refused_with_the_way_out(ward, home):
    ward(NUMBER, leads=("I", "II"))
    data = prepare("ward", {}, home)
    assert data.leads == LEADS[:6] and data.warnings[-1] == "ward: its recordings have no V1, V2, V3, V4, V5, V6"
    assert data.read(np.arange(2), SignalSpec(rate=100, leads=("II", "aVF"))).any(axis=-1).all()
    with pytest.raises(UsageError, match=r"asks for the leads V1, V2.*ward has only I, II, III.*signal = \{ leads = "):
        data.read(np.arange(2), SignalSpec(rate=100))
    few = ConditionedDataset(data, SignalCondition(leads=("I", "II")))
    assert few.read(np.arange(2), SignalSpec(rate=100)).any(axis=-1)[0].tolist() == [True] * 2 + [False] * 10
    assert not [f for fs in check(data, DATASETS.get("ward")(), None).findings.values() for f in fs if f.wrong]
    assert open_dataset("ward", {}, home).digest == data.digest


ORDER = ("II", "I", *LEADS[2:])


def test_a_header_that_names_its_leads_is_believed_whatever_the_description_says(tmp_path):
    adc = np.arange(12 * 50, dtype=np.int16).reshape(12, 50)
    signals = Signals(rate=100, leads=list(LEADS))
    write_record(tmp_path / "turned", adc, leads=ORDER)
    assert read_signal(tmp_path / "turned", None, signals).leads == ORDER
    write_record(tmp_path / "nameless", adc, leads=[f"channel{n}" for n in range(12)])
    assert read_signal(tmp_path / "nameless", None, signals).leads == LEADS
    write_record(tmp_path / "other", adc, leads=("V1", *[f"channel{n}" for n in range(1, 12)]))
    with pytest.raises(RecordingError, match=r"its header has V1 where signals\.leads has I"):
        read_signal(tmp_path / "other", None, signals)


def test_lists_of_leads_are_checked_by_name():
    assert available_leads(["V2", "lead i", "ECG II", "X"]) == (*LEADS[:6], "V2")
    assert available_leads([*LEADS, "pleth"]) == LEADS
    for names, problem in {
        ("I", "V22"): "'V22' is no lead",
        ("I", "i"): "lead I occurs twice",
        ("X",): "none of",
    }.items():
        with pytest.raises(ValueError, match=problem):
            available_leads(names)


CODES = '\n[label_sets.dx]\ncodes = "dx"\nclasses = { AF = ["AF", 164889003], LBBB = ["LBBB"] }\notherwise = "none"\n'


@pytest.mark.parametrize("cell", ["AF,LBBB", "AF | other", "AF LBBB", "['AF'; 'LBBB']"])
def test_codes_between_other_separators_are_refused_and_not_lost(ward, cell):
    text = refusal(ward(CODES, dx=[f'"{cell}"', "AF", "LBBB", "AF;LBBB"] * 4))
    assert "line 2, column dx: has the code" in text and "is separator = ';' right?" in text and "line 3" not in text


def test_a_code_of_no_class_is_still_ignored(ward):
    folder = ward(CODES, dx=["AF fast", "AF;x y", "LBBB", "AFL"] * 4)
    entries = DATASETS.get("ward")().entries(folder)
    assert [entry.labels["dx"] for entry in entries[:4]] == [("none",), ("AF",), ("LBBB",), ("none",)]


def test_a_whole_number_is_one_code_with_and_without_a_point(ward):
    folder = ward(CODES, dx=["164889003.0", "164889003", "x;164889003.0", "LBBB"] * 4)
    entries = DATASETS.get("ward")().entries(folder)
    assert [entry.labels["dx"] for entry in entries[:4]] == [("AF",), ("AF",), ("AF",), ("LBBB",)]


ICD = '\n[label_sets.icd]\n{} = "icd"\nclasses = {{ I48 = ["I48"], I25 = ["I25.0", "I25"] }}\notherwise = "none"\n'


@pytest.mark.parametrize("kind", ["codes", "category"])
def test_a_diagnosis_that_ends_in_point_zero_is_no_whole_number(ward, kind):
    folder = ward(ICD.format(kind), icd=["I48.0", "I48", "I25.0", "I48.1"] * 4)
    entries = DATASETS.get("ward")().entries(folder)
    assert [entry.labels["icd"] for entry in entries[:4]] == [("none",), ("I48",), ("I25",), ("none",)]


def test_a_column_that_stands_twice_is_refused(ward):
    folder = ward(ONE + 'otherwise = "no AF"\n', af=[0, 1] * 8)
    lines = (folder / "index.csv").read_text("utf-8").splitlines()
    (folder / "index.csv").write_text("\n".join([f"{lines[0]},af", *(f"{line},1" for line in lines[1:])]), "utf-8")
    assert "has af more than once" in refusal(folder)


def test_a_file_in_two_splits_is_refused(ward):
    folder = ward(NUMBER)
    text = (folder / "index.csv").read_text("utf-8")
    (folder / "index.csv").write_text(text.replace("e3,3.npy", "e3,./0.npy").replace("e5,5.npy", "e5,4.npy"), "utf-8")
    text = refusal(folder)
    assert "line 5, column file: is './0.npy', which line 2 has for train: one signal would be in two splits" in text
    assert "line 7" not in text, "twice in one split is double, and no leak"


@pytest.mark.parametrize(("of_index", "of_description"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_letters_are_the_same_however_they_are_stored(ward, of_index, of_description):
    """Spreadsheets and file systems of a Mac write an ü as two code points."""
    table = '\n[label_sets.axis]\ncodes = "axis"\nclasses = { left = ["überdreht"], steep = ["steil"] }\n'
    types = [unicodedata.normalize(of_index, text) for text in ("überdreht", "steil;überdreht")]
    folder = ward(unicodedata.normalize(of_description, table), axis=types * 8)
    text = (folder / "dataset.toml").read_text("utf-8")
    (folder / "dataset.toml").write_text(text.replace('patient = "exam"', 'patient = "exam"\nreport = "axis"'), "utf-8")
    entries = DATASETS.get("ward")().entries(folder)
    assert [entry.labels["axis"] for entry in entries[:2]] == [("left",), ("left", "steep")]
    assert entries[1].report == "steil;überdreht"


def test_a_placeholder_is_no_patient(ward):
    folder = ward(NUMBER, who=["nan", "None", "", "p1"] * 4)
    text = (folder / "dataset.toml").read_text("utf-8")
    (folder / "dataset.toml").write_text(text.replace('patient = "exam"', 'patient = "who"'), "utf-8")
    text = refusal(folder)
    assert (
        "line 2, column who: is 'nan', which stands for no patient" in text and "line 3, column who: is 'None'" in text
    )
    assert "line 4, column who: is empty" in text and "line 5" not in text
