"""Cells under a condition: their keys, what is read under it and what is not, and how tables name them."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.data.store.preparation import open_dataset
from benchmark.engine.events import discard_event
from benchmark.engine.executors import InlineExecutor
from benchmark.engine.first_look import LOOKED_AT
from benchmark.errors import UsageError
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.files import files_at, records_in
from benchmark.records.paths import RECORD
from benchmark.records.record import parse_record
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store
from benchmark.registry import METHODS

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
name = "odd"
title = "t"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 120 }
[[tasks]]
name = "linear_probe"
config = { trials = 2 }
signal = [{}, { leads = 1 }, { perturb = "white", strength = 0.5 }]
[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }
"""


def plan_of(tmp_path, text=SUITE):
    path = tmp_path / "odd.toml"
    path.write_text(text)
    return make_plan(load_suite(str(path)))


def test_keys_of_committed_records_hold():
    for path in records_in(ROOT / "results" / "records").values():
        files = files_at(path)
        places = list(files.places())[::20]
        assert places
        for place in places:
            record = parse_record(files.read(place, RECORD))
            assert RunSpec(**record.spec).key == record.key == place[2]


def test_a_recording_as_it_is_has_the_key_it_always_had(tmp_path):
    plan = plan_of(tmp_path).cells
    plain = plan_of(tmp_path, SUITE.replace('signal = [{}, { leads = 1 }, { perturb = "white", strength = 0.5 }]', ""))
    assert plan[0].spec == plain.cells[0].spec and "signal" not in plan[0].spec.to_json()
    assert len({cell.spec.key for cell in plan}) == 3
    assert [cell.condition for cell in plan] == ["as recorded", "leads I", "white 0.5 mV rms"]
    assert "signal=leads I" in plan[1].title and "signal" not in plan[0].title


def test_what_cannot_be_asked_is_said_when_planning(tmp_path):
    for wrong, message in (
        ('{ perturb = "powerline", strength = 0.1 }', "100 Hz cannot hold powerline"),
        ("{ leads = 7 }", "no set of 7 leads"),
    ):
        with pytest.raises(UsageError, match=message):
            plan_of(tmp_path, SUITE.replace("signal = [{}", f"signal = [{wrong}"))
    with pytest.raises(UsageError, match="signal"):
        plan_of(tmp_path, SUITE.replace("signal = [{}", "signal = [5"))


def test_cells_are_read_under_their_condition(tmp_path, prepared_home, monkeypatch):
    """Few leads change the probe; noise meets the very probe that clean recordings made, in test alone."""
    calls = []
    method = METHODS.get("random_init")
    original = method.ecg_features
    monkeypatch.setattr(method, "ecg_features", lambda self, ecg: calls.append(len(ecg)) or original(self, ecg))
    plan, store = plan_of(tmp_path), Store(prepared_home.records)
    InlineExecutor().run(group_cells(plan.cells), prepared_home, "cpu", discard_event)
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    in_test = int((data.splits == "test").sum())
    # and in each of three passes one recording, whose operations are counted, and a first look: twice as the method is
    # (together and one by one) and once in the form for inference
    assert sum(calls) == 2 * len(data) + in_test + 3 * (1 + 3 * LOOKED_AT)
    clean, few, noisy = (store.get(cell.spec) for cell in plan.cells)
    assert noisy.details == clean.details != few.details
    assert noisy.metrics["auroc_macro"] < clean.metrics["auroc_macro"]
    assert few.spec["signal"] == {"leads": ["I"]} and "signal" not in clean.spec
    logits = [store_predictions(store, cell) for cell in plan.cells]
    assert not np.array_equal(logits[0], logits[2])
    text = markdown(Leaderboard(plan, store), [])
    assert "as recorded | leads I | white 0.5 mV rms |" in text.replace("1, ", "")
    assert clean.subgroups["sex"].keys() == {"female", "male"} and "reliability" in clean.analysis


def store_predictions(store, cell):
    from safetensors.numpy import load_file

    return load_file(store.folder(cell.spec) / "predictions.safetensors")["logits"]
