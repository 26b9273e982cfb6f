"""CSN: the 38 classes by exact codes, the real sample, and MERL's files with their substring fault."""

import csv
from collections import Counter

import numpy as np
import pytest

from benchmark.api import LEADS
from benchmark.data.store.preparation import prepare, read_preparation_log
from benchmark.datasets.csn import CLASSES, CSN, SNOMED, SPOILED
from benchmark.errors import DataError
from benchmark.testing import write_csn

MERL_POSITIVES = {"VB": 916, "AVB": 913, "CR": 216, "2AVB": 38, "AF": 4753, "SA": 2828, "ST": 6338}
EXACT_POSITIVES = {"VB": 3, "AVB": 176, "CR": 75, "2AVB": 22, "AF": 3340, "SA": 2107, "ST": 5154}


def test_a_made_up_tree(home, tmp_path):
    count = write_csn(tmp_path, patients=12)
    (tmp_path / "WFDBRecords" / "01" / "010" / "JS00005.hea").write_text("")
    data = prepare("csn", {}, home, tmp_path)
    assert len(data) == count - 1 and data.label_set("all").classes == CLASSES and len(CLASSES) == 38
    log = read_preparation_log(data)
    assert [result["record_id"] for result in log.left_out] == ["JS00005"]
    assert {"record_id": "JS00003", "kind": "a flat lead", "detail": "V4"} in log.remarks
    assert np.isnan(data.table.set_index("record_id").at["JS00002", "age"])
    with pytest.raises(DataError, match=r"WFDBRecords is no folder; download ecg-arrhythmia"):
        list(CSN().entries(tmp_path / "WFDBRecords"))


def test_every_line_of_diagnoses_is_read(tmp_path):
    write_csn(tmp_path, patients=3)
    path = next(tmp_path.rglob("JS00001.hea"))
    codes = [SNOMED[name] for name in ("AFIB", "LVH", "TWC")]
    lines = [line for line in path.read_text().splitlines() if "Dx" not in line]
    path.write_text("\n".join([*lines, f"#Dx: {codes[0]}", "#Rx: Unknown", f"# Dx: {codes[1]},{codes[2]}"]) + "\n")
    labels = {entry.record_id: entry.labels["all"] for entry in CSN().entries(tmp_path)}
    assert labels["JS00001"] == ("AFIB", "TWC", "LVH")


def test_codes_are_the_datasets_own(shared):
    with (shared / "data" / "csn" / "ConditionNames_SNOMED-CT.csv").open(encoding="utf-8-sig", newline="") as file:
        reference = {row["AcronymName"]: row["Snomed_CT"] for row in csv.DictReader(file)}
    assert {name: reference[name] for name in CLASSES} == SNOMED and len(set(SNOMED.values())) == 38


def test_real_sample(shared, home):
    import wfdb

    root = shared / "data" / "csn"
    data = prepare("csn", {}, home, root)
    assert len(data) == 50 and not read_preparation_log(data).left_out and data.rate == 500
    for row in (0, 25, 49):
        stem = next(root.rglob(f"{data.record_ids[row]}.hea")).with_suffix("")
        record = wfdb.rdrecord(str(stem))
        assert tuple(record.sig_name) == LEADS and np.abs(data.millivolt([row])[0] - record.p_signal.T).max() < 1e-5
    labels = {entry.record_id: entry.labels["all"] for entry in CSN().entries(root)}
    assert labels["JS00001"] == ("RBBB", "AFIB", "TWC")


def test_merls_sizes_and_faults(shared):
    archive, root = str(shared / "data" / "merl" / "merl_data_split.tar.xz"), shared / "data" / "csn"
    plain = {entry.record_id: entry for entry in CSN().entries(root)}
    result = [
        e for e in CSN(split="merl", labels="merl", merl_files=archive).entries(root) if "do not list" not in e.problem
    ]
    assert Counter(entry.split for entry in result) == {"train": 16546, "val": 1860, "test": 4620}
    positives = Counter(label for entry in result for label in entry.labels["all"])
    assert {name: positives[name] for name in SPOILED} == MERL_POSITIVES
    first_shape = [entry for entry in result if not entry.problem]
    assert len(first_shape) == 21
    for entry in first_shape:  # MERL adds labels and never lacks one
        assert set(plain[entry.record_id].labels["all"]) <= set(entry.labels["all"])
        assert set(entry.labels["all"]) - set(plain[entry.record_id].labels["all"]) <= set(SPOILED)
    exact = {e.record_id: e.labels["all"] for e in CSN(split="merl", merl_files=archive).entries(root) if not e.problem}
    assert all(exact[name] == plain[name].labels["all"] for name in exact) and len(exact) == 21


def test_exact_labels_of_the_headers_are_merls_diagnose_column(shared):
    """Token by token: what the substring match spoiled is right in its own text, and equal to ours."""
    from benchmark.data.formats.merl_files import read_merl
    from benchmark.data.formats.tables import WrongCells

    source = shared / "data" / "merl" / "merl_data_split.tar.xz"
    tokens = {
        row["ecg_path"].rsplit("/", 1)[-1].removesuffix(".mat"): {part.strip() for part in row["diagnose"].split(",")}
        for _, row in read_merl(source, "chapman", ("ecg_path", "diagnose"), WrongCells(""))
    }
    counts = Counter(token for result in tokens.values() for token in result)
    assert {name: counts[name] for name in SPOILED} == EXACT_POSITIVES
    count = 0
    for entry in CSN().entries(shared / "data" / "csn"):
        if entry.record_id in tokens:
            assert set(entry.labels["all"]) == tokens[entry.record_id] & set(CLASSES), entry.record_id
            count += 1
    assert count == 21


def test_marks_reach_the_manifest(shared, home):
    archive, root = str(shared / "data" / "merl" / "merl_data_split.tar.xz"), shared / "data" / "csn"
    data = prepare("csn", {"labels": "merl", "merl_files": archive}, home, root)
    assert len(data) == 21 and data.warnings == [
        "labels of MERL's files, where VB, AVB, CR, 2AVB, AF, SA, ST hold recordings of other classes",
        "INCOMPLETE DATA: csn was prepared with 21 of its 23,026 recordings",
    ]
    assert data.path.name == "csn-labelsmerl"
    plain = prepare("csn", {}, home, root).warnings
    assert plain == ["INCOMPLETE DATA: csn was prepared with 50 of its 45,152 recordings"]
