"""What stands beside a number: leaks found in the recordings, too low a rate, recordings that cannot serve."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmark.api import LEADS, SignalSpec
from benchmark.data.formats.wfdb_reader import read_wfdb
from benchmark.data.signals.signal import adapt, lead_positions, to_millivolt
from benchmark.data.store.fingerprints import SAME, find_copies, fingerprint, fingerprints
from benchmark.data.store.preparation import open_dataset, prepare
from benchmark.data.store.prepared import PreparedDataset
from benchmark.datasets.synthetic import Synthetic
from benchmark.engine.caveats import card_verdict, recordings_verdict, signal_caveats, verdict
from benchmark.engine.events import discard_event
from benchmark.engine.executors import InlineExecutor
from benchmark.engine.pretraining import ReportedRecordings
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.record import RunRecord
from benchmark.records.store import Store

SHORT, FLAT = 2, 5  # rows of the uneven dataset


class Uneven(Synthetic):
    """Of the first recordings one has 5 s only, and one has flat limb leads."""

    def read(self, entry, root):
        raw = super().read(entry, root)
        adc, number = raw.adc.copy(), self.numbers[entry.record_id]
        if number == FLAT:
            adc[:6] = 0
        return replace(raw, adc=adc[:, :500] if number == SHORT else adc)

    def entries(self, root):
        found = super().entries(root)
        self.numbers = {entry.record_id: i for i, entry in enumerate(found)}
        return found


@pytest.fixture
def uneven(home, monkeypatch):
    monkeypatch.setattr("benchmark.data.store.preparation.DATASETS.get", lambda name: Uneven)
    return prepare("synthetic", {"patients": 120}, home)


# --- recordings that cannot serve ---


def test_they_are_silence_in_every_reading_and_absent_from_pretraining(uneven):
    rows = np.arange(8)
    for spec, silent_rows in (
        (SignalSpec(rate=100), []),
        (SignalSpec(rate=100, min_seconds=8), [SHORT]),
        (SignalSpec(rate=100, leads=("I", "II"), scaling="zscore_lead"), [FLAT]),
        (SignalSpec(rate=100, leads=("I", "V1")), []),
        (SignalSpec(rate=50, leads=LEADS[:6], min_seconds=8, scaling="minmax_record"), [SHORT, FLAT]),
    ):
        assert list(uneven.unusable(spec)) == silent_rows
        found = uneven.read(rows, spec)
        assert [row for row in rows if not found[row].any()] == silent_rows
        assert np.array_equal(found, np.concatenate([uneven.read([row], spec) for row in rows]))
        corpus = ReportedRecordings(uneven, "train", spec)
        assert not set(silent_rows) & set(corpus.rows) and corpus.unusable == len(silent_rows)


def test_they_are_counted_by_split_and_named(uneven):
    view = {"train": np.array([0, SHORT]), "val": np.array([1]), "test": np.array([3, FLAT])}
    spec = SignalSpec(rate=500, leads=("I", "II"), min_seconds=8)
    limited, counted = signal_caveats(uneven, view, spec, "m")
    assert limited.startswith("m: recorded at 100 Hz and resampled to 500 Hz")
    assert "count as silence: 1 of 2 in train, 1 of 2 in test" in counted
    assert f"(test: {uneven.record_ids[FLAT]})" in counted and "shorter than 8 s" in counted
    assert signal_caveats(uneven, view, SignalSpec(rate=100), "m") == []


# --- fingerprints ---


def test_a_copy_is_found_at_another_rate_unit_and_filter(home):
    data = prepare("synthetic", {"patients": 120, "rate": 500}, home)
    kept = fingerprints(data, home.fingerprints)
    assert np.array_equal(kept, fingerprints(data, home.fingerprints)) and kept.dtype == np.float16
    rows = np.arange(0, len(data), 7)
    slow = adapt(data.millivolt(rows), 500, SignalSpec(rate=100, band_pass=(0.2, 40.0))) * 1000 + 5.0
    found = find_copies(fingerprint(slow, 100), kept, np.arange(len(data)))
    assert found == list(enumerate(rows))
    others = np.setdiff1d(np.arange(len(data)), rows)
    assert find_copies(fingerprint(slow, 100), kept, others) == []
    assert not fingerprint(np.zeros((1, 12, 1000), np.float32), 100).any()


def test_the_two_rates_of_ptbxl_have_one_fingerprint(shared):
    stems = sorted((shared / "data" / "ptb-xl" / "records500").rglob("*.hea"))[:40]
    fast = np.stack([to_millivolt(read_wfdb(stem.with_suffix(""))) for stem in stems])
    likeness = fingerprint(fast, 500) @ fingerprint(fast[..., ::5], 100).T
    assert (np.diag(likeness) > SAME).all() and (likeness - 2 * np.eye(len(stems))).max() < 0.9
    assert list(lead_positions(LEADS)) == list(range(12))


# --- the gate with recordings at hand ---


@pytest.fixture
def plan(tiny_suite):
    return make_plan(load_suite(str(tiny_suite)))


def cell_of(plan, row):
    return next(cell for cell in plan.cells if cell.row == row)


def leaked(data: PreparedDataset) -> PreparedDataset:
    """Copy a training recording into the test split, a little louder, and move one patient."""
    samples = np.memmap(data.path / "signals.i16", "<i2", "r+").reshape(len(data), -1)
    test, train = (np.flatnonzero(data.splits == split) for split in ("test", "train"))
    samples[test[0]] = np.round(samples[train[0]] * 1.1)
    samples.flush()
    table = data.table
    table.loc[test[1], "patient_id"] = table.loc[train[1], "patient_id"]
    table.to_csv(data.path / "records.csv", index=False, lineterminator="\n")
    return PreparedDataset(data.path)


def test_pretraining_on_the_training_split_is_clean_because_it_was_checked(plan, prepared_home):
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    found = verdict(cell_of(plan, "merl"), data, prepared_home)
    assert found.state == "clean" and "checked: no patient and no signal of the test split" in str(found)
    assert verdict(cell_of(plan, "handcrafted"), data, prepared_home).reasons[0].startswith("it comes without weights")


def test_a_copied_signal_and_a_shared_patient_contaminate(plan, prepared_home):
    data = leaked(open_dataset("synthetic", {"patients": 120}, prepared_home))
    found = verdict(cell_of(plan, "merl"), data, prepared_home)
    assert found.state == "contaminated"
    test, train = (data.record_ids[data.splits == split][0] for split in ("test", "train"))
    assert "1 patients of the test split" in str(found) and "1 test recordings have their signal" in str(found)
    assert f"{test} = {train}" in str(found)


def test_another_rate_has_the_same_splits_and_other_options_may_not(plan, prepared_home):
    cell, config = cell_of(plan, "merl"), {"patients": 120, "rate": 250}
    faster = replace(cell, spec=replace(cell.spec, dataset_config=config))
    other = replace(cell, spec=replace(cell.spec, dataset_config={"patients": 90}))
    assert card_verdict(faster).state == "clean" and card_verdict(other).state == "unknown"
    seen = open_dataset("synthetic", {"patients": 120}, prepared_home)
    assert recordings_verdict(seen, prepare("synthetic", config, prepared_home), prepared_home).state == "clean"


def test_weights_made_here_are_known_by_the_card_beside_them(plan, tmp_path):
    cell = cell_of(plan, "merl")
    spec = replace(cell.spec, weights="abc", pretraining=None)
    file = replace(cell, spec=spec, weights_file=str(tmp_path / "weights.safetensors"))
    assert card_verdict(file).state == "unknown"
    (tmp_path / "card.json").write_text(json.dumps({"sha256": "abc", "recipe": cell.spec.pretraining}))
    assert card_verdict(file).state == "clean"
    (tmp_path / "card.json").write_text(json.dumps({"sha256": "another", "recipe": cell.spec.pretraining}))
    assert card_verdict(file).state == "unknown"
    assert card_verdict(replace(file, trained_on=["synthetic"])).state == "contaminated"


def test_records_and_tables_carry_the_caveats(plan, prepared_home, tiny_suite):
    leaked(open_dataset("synthetic", {"patients": 120}, prepared_home))
    plan = make_plan(load_suite(str(tiny_suite), {"methods.handcrafted.config.rate": 200.0}))
    cells = [
        cell for cell in plan.cells if cell.row in ("merl", "handcrafted") and cell.question.get("fraction", 1) == 1
    ]
    store = Store(prepared_home.records)
    InlineExecutor().run(group_cells(cells), prepared_home, "cpu", discard_event)
    records = {cell.row: store.get(cell.spec) for cell in cells}
    assert records["merl"].leak["state"] == "contaminated" and records["handcrafted"].leak["state"] == "clean"
    assert any("resampled to 200 Hz" in note for note in records["handcrafted"].notes)
    text = markdown(Leaderboard(plan, store), [])
    assert "CONTAMINATED: merl on synthetic" in text and "synthetic, leaks: merl contaminated: " in text
    assert "synthetic, leaks: handcrafted clean: it comes without weights" in text
    assert "synthetic/groups: handcrafted: recorded at 100 Hz and resampled to 200 Hz" in text


def test_records_from_before_the_gate_load():
    old = {"key": "k", "spec": {}, "question": {}, "status": "done"}
    assert RunRecord.from_json(old).leak is None
