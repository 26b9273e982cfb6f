"""``ecgarena data check``: a sound store passes; every kind of damage is named with its remedy."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.data.store.checking import check
from benchmark.data.store.preparation import prepare
from benchmark.data.store.prepared import PreparedDataset
from benchmark.datasets.cpsc2018 import CPSC2018
from benchmark.datasets.ptbxl import PTBXL
from benchmark.datasets.synthetic import Synthetic
from benchmark.testing import write_cpsc2018, write_ptbxl

SETTING = ["data", "check", "synthetic", "--set", "patients=120"]


@pytest.fixture
def data(prepared_home):
    return prepare("synthetic", {"patients": 120}, prepared_home)


def problems(data, dataset=None, root=None):
    findings = check(PreparedDataset(data.path), dataset or Synthetic(patients=120), root).findings
    return {name: [finding.problem for finding in result if finding.wrong] for name, result in findings.items()}


def test_a_sound_store_passes(data, capsys):
    assert main(SETTING) == 0
    out = capsys.readouterr().out
    assert "files: ok" in out and "nothing is wrong" in out
    assert main([*SETTING, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wrong"] == 0


def test_a_changed_sample_is_seen(data, capsys):
    samples = np.memmap(data.path / "signals.i16", "<i2", "r+")
    samples[1234] += 1
    samples.flush()
    assert main(SETTING) == 5
    out = capsys.readouterr().out
    assert "files: WRONG" in out and f"their manifest says {data.digest}" in out and "data prepare' again" in out


def test_duplicates_are_named_and_weigh_more_across_splits(data, reseal, capsys):
    samples = np.memmap(data.path / "signals.i16", "<i2", "r+").reshape(len(data), -1)
    train, test = (np.flatnonzero(data.splits == split) for split in ("train", "test"))
    samples[test[0]], samples[train[5]] = samples[train[0]], samples[train[4]]
    samples.flush()
    reseal(data.path)
    assert problems(data)["signals"] == ["equal signals in different splits"]
    assert main(SETTING) == 5
    out = capsys.readouterr().out
    assert f"1 equal signals in different splits: {data.record_ids[train[0]]} = {data.record_ids[test[0]]}" in out
    assert f"(note) 1 equal signals in one split: {data.record_ids[train[4]]} = {data.record_ids[train[5]]}" in out


@pytest.mark.parametrize(
    "damage, output", [("swap", "limb leads"), ("unit", "recordings span less"), ("rate", "rate: ")]
)
def test_sentinels_watch_over_the_whole_set(data, reseal, damage, output):
    samples = np.memmap(data.path / "signals.i16", "<i2", "r+").reshape(len(data), 12, -1)
    if damage == "swap":
        samples[:, [0, 1]] = samples[:, [1, 0]]
    if damage == "rate":
        samples[:] = np.repeat(samples[..., : samples.shape[-1] // 4], 4, axis=-1)  # four times too slow
    samples.flush()
    if damage == "unit":
        np.save(data.path / "calibration.npy", np.load(data.path / "calibration.npy") * 1000)
    reseal(data.path)
    assert any(output in problem for problem in problems(data)["signals"])


def test_tables_that_do_not_fit_stop_the_check(data, reseal):
    table = data.path / "records.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:-1], lines[1]]) + "\n")
    reseal(data.path)
    result = problems(data)
    assert "1 record ids occur twice" in result["tables"] and "signals" not in result
    assert any("overlap or leave gaps" in problem for problem in result["tables"])


def test_a_patient_in_two_splits_is_seen(data, reseal):
    table = data.table
    table.loc[table["split"] == "test", "patient_id"] = table.loc[table["split"] == "train", "patient_id"].iloc[0]
    table.to_csv(data.path / "records.csv", index=False, lineterminator="\n")
    reseal(data.path)
    finding = check(PreparedDataset(data.path), Synthetic(patients=120)).findings["patients"][0]
    assert finding.wrong and finding.count == 1 and finding.names == (str(table["patient_id"].iloc[0]),)


def test_counts_are_those_on_the_card(home, tmp_path):
    write_ptbxl(tmp_path / "ptbxl", patients=30)
    data = prepare("ptbxl", {}, home, tmp_path / "ptbxl")
    result = problems(data, PTBXL())["counts"]
    assert len(result) == 23 and any("recordings are indexed, 21799 expected" in problem for problem in result)
    assert any("super: train has" in problem and "17084 expected" in problem for problem in result)


def test_missing_files_are_wrong_where_the_card_knows_how_many_there_are(home, tmp_path):
    write_cpsc2018(tmp_path / "cpsc2018")
    data = prepare("cpsc2018", {}, home, tmp_path / "cpsc2018")
    assert any("recordings are indexed, 6877 expected" in result for result in problems(data, CPSC2018())["counts"])


def test_originals_are_compared(home, tmp_path, monkeypatch, capsys):
    root = tmp_path / "ptbxl"
    write_ptbxl(root, patients=30)
    data = prepare("ptbxl", {}, home, root)
    monkeypatch.setattr(PTBXL, "card", replace(PTBXL.card, sizes={}, recordings=None))
    files = sorted(path for path in root.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(root)}" for path in files]
    (root / "SHA256SUMS.txt").write_text("\n".join([*sums, f"{'0' * 64} records500/00000/00001_hr.dat"]))
    assert problems(data, PTBXL(), root)["originals"] == []
    signals = sorted(root.rglob("*.dat"))
    signals[0].write_bytes(signals[0].read_bytes()[:-2])
    signals[1].write_bytes(signals[2].read_bytes())
    signals[1].with_suffix(".hea").write_text(signals[2].with_suffix(".hea").read_text().replace("00003", "00002"))
    table = root / "ptbxl_database.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]))
    code = main(["data", "check", "ptbxl", "--originals", "--root", str(root)])
    out = capsys.readouterr().out
    assert code == 5 and "1 recordings of the store are not in the original tables" in out
    assert "1 recordings differ from their original files in signal, split, patient, labels or numbers: 2" in out
    assert "1 original files are missing, cut short or disagree with the checksums of their headers: 1" in out
    assert "4 files disagree with SHA256SUMS.txt" in out and "(note) 1 files of SHA256SUMS.txt are not there" in out
    assert main(["data", "check", "ptbxl", "--originals", "--root", str(tmp_path / "none")]) == 5
