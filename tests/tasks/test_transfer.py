"""Transfer: class maps fit, the probe learns on the source, and test labels of both datasets are locked."""

import json

import numpy as np
import pytest

from benchmark.api import Truth
from benchmark.data.labels.class_maps import find_map, own_maps, read_map, strongest
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.engine import context as context_module
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.events import discard_event
from benchmark.engine.executors import InlineExecutor
from benchmark.engine.method_handle import MethodHandle
from benchmark.errors import UsageError
from benchmark.metrics.classification import auroc
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.standing import at_hand, standings
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store
from benchmark.registry import DATASETS, METHODS
from tasks.transfer import Transfer

SUITE = """
name = "moved"
title = "t"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["conditions", "groups"]
config = { patients = 120 }
[[tasks]]
name = "transfer"
config = { source = ["synthetic/groups", "synthetic/conditions"], trials = 2 }
[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }
[[methods]]
name = "supervised"
config = { width = 8, rate = 100.0 }
"""


# --- class maps ---


def test_own_maps_name_classes_that_exist_and_a_source():
    assert {(class_map.coarse, class_map.fine) for class_map in own_maps()} >= {
        *(("ptbxl/super", "cpsc2018/rhythm"), ("ptbxl/super", "csn/all"), ("cpsc2018/rhythm", "csn/all"))
    }
    for class_map in own_maps():
        assert class_map.source
        for side in (class_map.coarse, class_map.fine):
            dataset, label_set = side.split("/")
            if dataset in DATASETS.names():
                class_map.columns(side, DATASETS.get(dataset).label_sets[label_set])


def test_a_map_serves_both_directions_on_its_coarse_classes():
    forward, backward = find_map("ptbxl/super", "cpsc2018/rhythm"), find_map("cpsc2018/rhythm", "ptbxl/super")
    assert forward == backward and forward.classes == ("NORM", "CD", "STTC")
    assert find_map("ptbxl/form", "csn/all") is None
    fine = ("AFIB", "VPC", "NORM", "1AVB", "CRBBB", "STE", "PAC", "CLBBB", "STD")
    assert forward.columns("cpsc2018/rhythm", fine) == [[2], [3, 4, 7], [5, 8]]
    assert forward.columns("ptbxl/super", ("HYP", "NORM", "MI", "CD", "STTC")) == [[1], [3], [4]]
    with pytest.raises(UsageError, match="ptbxl/super has no class 'STTC'"):
        forward.columns("ptbxl/super", ("NORM", "CD"))


def test_the_strongest_member_speaks_for_a_class():
    values = np.array([[0.1, 0.9, 0.3], [0.5, 0.2, 0.4]])
    assert strongest(values, [[0], [1, 2]]).tolist() == [[0.1, 0.9], [0.5, 0.4]]


def test_an_invalid_map_is_refused_with_all_its_faults(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"coarse": "a/b", "members": {"x": "y"}, "fein": 1}))
    with pytest.raises(UsageError) as error:
        read_map(path)
    for fault in ("fine is missing", "source is missing", "fein is no field", "lists of class names"):
        assert fault in str(error.value)


def test_the_key_follows_the_map_in_use(tmp_path):
    own = Transfer(source="synthetic/groups").inputs("synthetic", "conditions", ())
    class_map = find_map("synthetic/groups", "synthetic/conditions")
    path = tmp_path / "map.json"
    content = {"coarse": class_map.coarse, "fine": class_map.fine, "version": "2", "source": "s", "about": "a"}
    path.write_text(json.dumps(content | {"members": {"CD": ["CLBBB"]}}))
    assert Transfer(source="synthetic/groups", class_map=str(path)).inputs("synthetic", "conditions", ()) != own


# --- the task ---


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "moved.toml"
    path.write_text(SUITE)
    return load_suite(str(path))


def test_cells_name_both_datasets_and_impossible_ones_are_skipped(suite):
    plan = make_plan(suite)
    label_sets = {(cell.spec.source["label_set"], cell.spec.label_set) for cell in plan.cells}
    assert label_sets == {("conditions", "groups"), ("groups", "conditions")}
    reasons = {skip.reason for skip in plan.skips}
    assert any("transfer to itself" in reason for reason in reasons) and any(
        "end to end" in reason for reason in reasons
    )
    assert plan.cells[0].spec.source["dataset_config"] == {"patients": 120}
    assert "class_map" in plan.cells[0].spec.task_inputs
    reason = Transfer(source="synthetic/groups").skip_reason(METHODS.get("handcrafted"), "ptbxl", "form")
    assert reason == "there is no class map from synthetic/groups"
    with pytest.raises(UsageError, match="no label set"):
        Transfer(source="ptbxl")


def test_a_transfer_runs_is_recorded_and_goes_stale_with_its_source(suite, prepared_home):
    plan, store = make_plan(suite), Store(prepared_home.records)
    InlineExecutor().run(group_cells(plan.cells), prepared_home, "cpu", discard_event)
    now = at_hand(plan, prepared_home)
    assert len(standings(plan, store, now).finished_cells) == 2
    record = store.get(plan.cells[0].spec)
    assert record.source_digest == record.data_digest and record.metrics["auroc_macro"] > 0.6
    assert record.per_class.keys() == {"NORM", "ARR", "CD", "STC", "HYP"} and "ECT" in record.notes[0]
    assert record.details["subset"]["n"] == record.n["train"] and record.metrics["f1_macro"] > 0
    assert record.key == plan.cells[0].spec.key and record.spec["source"] == plan.cells[0].spec.source
    # the probe's training data are compared with the test split, as those of weights are
    reasons = "; ".join(record.leak["reasons"])
    assert record.leak["state"] == "clean" and "its probe learnt from the train and val splits of synthetic" in reasons
    assert "compared: no patient and no signal" in reasons
    record.source_digest = "another"
    store.set_aside(plan.cells[0].spec)
    store.write(plan.cells[0].spec, record)
    assert [cell.spec for cell in standings(plan, store, now).to_run] == [plan.cells[0].spec]


def test_no_test_label_of_either_dataset_reaches_the_predictions(prepared_home):
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    method = MethodHandle("random_init", {"width": 8, "rate": 100.0}, 1, None, None, "cpu")

    def context(label_set, flipped, source=None):
        view = LabelledRows.of(data, label_set, None)
        labels = {**view.labels, "test": 1 - view.labels["test"]} if flipped else view.labels
        view = LabelledRows(view.classes, view.rows, labels, view.name)
        return CellContext(CellInputs(data, view, method, "synthetic", label_set, prepared_home, source_dataset=source))

    task = Transfer(source="synthetic/groups", trials=2)
    honest, flipped = (task.predict(context("conditions", t, context("groups", t))) for t in (False, True))
    assert np.array_equal(honest.arrays["logits"], flipped.arrays["logits"])
    assert np.array_equal(honest.thresholds, flipped.thresholds) and honest.details == flipped.details


def test_of_the_target_the_test_recordings_alone_are_encoded(prepared_home, monkeypatch):
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    method = MethodHandle("random_init", {"width": 8, "rate": 100.0}, 1, None, None, "cpu")
    lengths = []
    original = context_module.cached_features

    def counting(handle, layer, data, rows, *rest):
        lengths.append(len(rows))
        return original(handle, layer, data, rows, *rest)

    monkeypatch.setattr(context_module, "cached_features", counting)
    views = [LabelledRows.of(data, label_set, None) for label_set in ("groups", "conditions")]
    source = CellContext(CellInputs(data, views[0], method, "synthetic", "groups", prepared_home))
    inputs = CellInputs(data, views[1], method, "synthetic", "conditions", prepared_home, source_dataset=source)
    Transfer(source="synthetic/groups", trials=2).predict(CellContext(inputs))
    assert sorted(set(lengths)) == [int((data.splits == "test").sum()), len(data)]  # of the target, of the source


def test_the_truth_of_a_class_is_any_of_its_members():
    classes = tuple(DATASETS.get("synthetic").label_sets["conditions"])
    rng = np.random.default_rng(0)
    labels = (rng.random((300, len(classes))) < 0.1).astype(int)
    ids = [str(i) for i in range(300)]
    truth = Truth(ids, ids, labels, classes, [], label_set="synthetic/conditions")
    task = Transfer(source="synthetic/groups")
    mapped = task._map_truth(truth)
    members = [classes.index(name) for name in ("1AVB", "CLBBB", "CRBBB")]
    conduction = labels[:, members].any(axis=1)
    assert np.array_equal(mapped.labels[:, mapped.classes.index("CD")], conduction)
    assert (auroc(mapped.labels, mapped.labels.astype(float)) == 1).all()
