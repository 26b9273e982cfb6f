"""PTB, Georgia and CPSC-Extra: made-up trees in the layout of the Challenge 2021, and what can be wrong with them."""

import numpy as np
import pytest

from benchmark.api import LEADS
from benchmark.contract.datasets import dataset_checks
from benchmark.data.labels.contamination import relation
from benchmark.data.labels.prompts import load_prompts
from benchmark.data.store.checking import check
from benchmark.data.store.preparation import prepare, read_preparation_log
from benchmark.data.store.shared_recordings import shared_recordings
from benchmark.datasets.challenge2021.codes import CPSC2018_EXTRA, GEORGIA, PTB, SNOMED
from benchmark.errors import DataError
from benchmark.registry import DATASETS
from benchmark.testing import write_challenge2021, write_cpsc2018, write_record

NAMES = ("ptb", "georgia", "cpsc2018_extra")


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """One tree with all three databases: a user may point each loader at the whole ``training`` folder."""
    root = tmp_path_factory.mktemp("challenge")
    return root, {name: write_challenge2021(root, name, patients=8, seconds=4) for name in NAMES}


@pytest.fixture
def georgia(tmp_path):
    write_challenge2021(tmp_path, "georgia", patients=6, seconds=4)
    return tmp_path, tmp_path / "training" / "georgia" / "g1"


def edit(path, change):
    path.write_text(change(path.read_text("utf-8")), "utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_made_up_tree_is_prepared_and_passes_every_check(name, trees, home):
    root, counts = trees
    dataset = DATASETS.get(name)()
    assert not any(failure for failure in failures(dataset_checks(dataset, root=root)))
    data = prepare(name, {}, home, root)
    assert len(data) == counts[name] and data.rate == dataset.rate and not read_preparation_log(data).left_out
    report = check(data, dataset, root)
    report.findings.pop("labels")  # of eight recordings none may be drawn for validation
    assert {finding.problem for findings in report.findings.values() for finding in findings if finding.wrong} == {
        f"{len(data)} recordings are indexed, {dataset.card.recordings} expected",
        f"INCOMPLETE DATA: {name} was prepared with {len(data)} of its {dataset.card.recordings:,} recordings",
    }
    spans = np.ptp(data.millivolt(range(len(data))), axis=-1)
    assert (spans.max(axis=1) > 0.5).all() and (spans < 10).all(), "two gains, one unit"
    assert np.isnan(data.table["age"][1]) and set(data.reports) == {""}


def failures(checks):
    for work in checks.values():
        try:
            work()
        except AssertionError as error:
            yield str(error)


def test_classes_are_the_codes_that_the_challenge_counts_in_each_database():
    assert (len(PTB), len(GEORGIA), len(CPSC2018_EXTRA)) == (18, 67, 72)
    assert len(set(SNOMED.values())) == len(SNOMED) == len({*PTB, *GEORGIA, *CPSC2018_EXTRA})
    assert SNOMED["MI"] == "164865005" and SNOMED["NSR"] == "426783006" and SNOMED["AF"] == "164889003"
    assert DATASETS.get("ptb").label_sets["scored"] == ("AF", "AFL", "BBB", "NSR", "PAC", "STach")
    assert len(DATASETS.get("georgia").label_sets["scored"]) == 23


def test_two_codes_that_the_challenge_scores_as_one_diagnosis_are_one_class(georgia):
    root, folder = georgia
    codes = ",".join(SNOMED[name] for name in ("VPB", "CRBBB", "SVPB", "LVH"))
    edit(folder / "E00001.hea", lambda text: replace_diagnoses(text, codes))
    first = next(iter(DATASETS.get("georgia")().entries(root)))
    assert first.labels == {"all": ("CRBBB", "SVPB", "VPB", "LVH"), "scored": ("PAC", "PVC", "RBBB")}


def replace_diagnoses(text, codes):
    return "\n".join(f"#Dx: {codes}" if line.startswith("#Dx") else line for line in text.splitlines()) + "\n"


def test_what_is_wrong_with_single_recordings_leaves_them_out_and_is_named(georgia, home):
    root, folder = georgia
    edit(folder / "E00001.hea", lambda text: text.replace(" V3\n", " V33\n"))
    edit(folder / "E00002.hea", lambda text: text.replace("/mV", "/furlong"))
    edit(folder / "E00003.hea", lambda text: text.replace("#Dx:", "#Diagnosis:"))
    edit(folder / "E00004.hea", lambda text: text.replace("E00004 12 500 ", "E00004 12 1000 "))
    (folder / "E00005.mat").unlink()
    data = prepare("georgia", {}, home, root)
    problems = {result["record_id"]: result["problem"] for result in read_preparation_log(data).left_out}
    for name, words in {
        "E00001": "lead V3 is missing",
        "E00002": "cannot read the lead line",
        "E00003": "its header names no diagnosis (#Dx)",
        "E00004": "recorded at 1000 Hz, 500 Hz expected",
        "E00005": "the signal file that the header names is missing",
    }.items():
        assert words in problems.pop(name)
    assert not problems and len(data) == 1


def test_unknown_codes_are_one_error_that_names_all_of_them(georgia, home):
    root, folder = georgia
    edit(folder / "E00001.hea", lambda text: replace_diagnoses(text, "426783006,111"))
    edit(folder / "E00002.hea", lambda text: replace_diagnoses(text, SNOMED["OldMI"]))  # not counted in Georgia
    with pytest.raises(DataError) as raised:
        prepare("georgia", {}, home, root)
    heading, *lines = str(raised.value).splitlines()
    assert heading.startswith("2 wrong cells; download it from physionet.org/content/challenge-2021/1.0.3")
    assert lines[0].endswith("E00001.hea, line 16, column #Dx: 111: the challenge's tables count no such code in this "
                             "database")  # fmt: skip
    assert "E00002.hea" in lines[1] and SNOMED["OldMI"] in lines[1]


def test_a_recording_that_lies_in_two_folders_is_refused_and_equal_signals_are_found(georgia, home):
    root, folder = georgia
    content = {ending: (folder / f"E00001.{ending}").read_bytes() for ending in ("hea", "mat")}
    (folder / "E00099.hea").write_bytes(content["hea"].replace(b"E00001", b"E00099"))
    (folder / "E00099.mat").write_bytes(content["mat"])
    data = prepare("georgia", {}, home, root)
    names = [finding.names for finding in check(data, DATASETS.get("georgia")()).findings["signals"] if "equal signals"
             in finding.problem]  # fmt: skip
    assert names == [("E00001 = E00099",)]
    (folder.parent / "g2").mkdir()
    (folder.parent / "g2" / "E00001.hea").write_bytes(content["hea"])
    with pytest.raises(DataError, match="1 record ids occur twice"):
        prepare("georgia", {"split_seed": 1}, home, root)


def test_missing_samples_are_read_as_zero_and_counted(georgia, home):
    root, folder = georgia
    dataset = DATASETS.get("georgia")()
    adc = dataset.read(next(iter(dataset.entries(root))), root).adc
    adc[1, 5:9] = -32768
    write_record(folder / "E00001", adc, 500, comments=["#Dx: 426783006"], matlab=True)
    data = prepare("georgia", {}, home, root)
    remarks = {(remark["kind"], remark["detail"]) for remark in read_preparation_log(data).remarks}
    assert ("missing samples, read as 0 mV", "4") in remarks and not data.millivolt([0])[0, 1, 5:9].any()


def test_a_folder_without_recordings_says_what_it_looks_for(tmp_path):
    with pytest.raises(DataError, match=r"holds no header called Q\\d\{4\}\.hea.*training/cpsc_2018_extra"):
        list(DATASETS.get("cpsc2018_extra")().entries(tmp_path))


def test_the_lead_order_of_a_file_does_not_matter(georgia, home):
    root, folder = georgia
    dataset = DATASETS.get("georgia")()
    entry = next(iter(dataset.entries(root)))
    raw = dataset.read(entry, root)
    order = [11, 3, 4, 5, 0, 1, 2, 6, 7, 8, 9, 10]
    leads = [("AVR", "avl", "aVF").__getitem__(place - 3) if 3 <= place <= 5 else LEADS[place] for place in order]
    first = prepare("georgia", {}, home, root).millivolt([0])
    write_record(folder / "E00001", raw.adc[order], 500, leads, comments=["#Dx: 426783006"], matlab=True)
    assert np.abs(prepare("georgia", {"split_seed": 2}, home, root).millivolt([0]) - first).max() < 1e-6


def test_every_table_on_ptb_says_that_its_patients_are_hidden(trees, home):
    assert prepare("ptb", {}, home, trees[0]).warnings[0] == (
        "patients are hidden and many have several recordings: some of them are in train and in test alike"
    )


@pytest.mark.parametrize(("name", "other"), [("cpsc2018_extra", "cpsc2018"), ("ptb", "ptbxl"), ("georgia", "csn")])
def test_databases_lie_side_by_side_in_one_challenge_which_contains_them(name, other):
    assert relation(name, other) == relation(other, name) == "none"
    assert relation(name, "physionet2021") == relation(name, "physionet2020") == "contains"


def test_a_recording_in_both_sets_of_cpsc_is_found_by_its_signal(home, tmp_path):
    write_cpsc2018(tmp_path / "cpsc2018", patients=2)
    write_challenge2021(tmp_path, "cpsc2018_extra", patients=3, seed=1)
    for ending in ("hea", "mat"):
        content = (tmp_path / "cpsc2018" / f"A0002.{ending}").read_bytes().replace(b"A0002", b"Q0009")
        if ending == "hea":
            content = content.split(b"#Dx")[0] + b"#Dx: 426783006\n"
        (tmp_path / "training" / "cpsc_2018_extra" / "g1" / f"Q0009.{ending}").write_bytes(content)
    extra, main = prepare("cpsc2018_extra", {}, home, tmp_path), prepare("cpsc2018", {}, home, tmp_path / "cpsc2018")
    copies = {}
    for split in ("train", "val", "test"):
        for shared in shared_recordings(extra, split, main, home.fingerprints).values():
            copies |= shared.copies
    assert copies == {"Q0009": "A0002"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("label_set", ["all", "scored"])
def test_every_class_has_phrases_of_its_own(name, label_set):
    classes = DATASETS.get(name).label_sets[label_set]
    texts = load_prompts("en").phrases(name, label_set, classes)
    every = [text for phrases in texts for text in phrases]
    assert all(3 <= len(phrases) <= 6 for phrases in texts) and len(set(every)) == len(every)
    assert all(text == " ".join(text.lower().split()) and len(text) <= 90 for text in every)
