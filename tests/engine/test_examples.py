"""Cells that learn from a few recordings share one pass over these, or read from a pass over all that is there."""

import json
import shutil

import numpy as np
import pytest

from benchmark.data.store.preparation import open_dataset
from benchmark.engine import features
from benchmark.engine.events import discard_event
from benchmark.engine.examples import rows_of_examples
from benchmark.engine.run import run_group
from benchmark.paths import Home
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import DatasetBlock, MethodBlock, Suite, TaskBlock
from benchmark.records.paths import PREDICTIONS
from benchmark.records.store import Store
from benchmark.registry import METHODS
from benchmark.testing import FakeMethod
from tasks.few_shot import FewShot

FEW_SHOT = {"shots": [1, 2]}
PROBE = {"layer": "embeddings", "trials": 2}


@pytest.fixture
def passes(monkeypatch):
    """Return the layer and rows of every pass over signals; the fake method is registered as "fake"."""
    calls = []
    original = features.extract

    def noting(method, layer, data, rows, *rest):
        calls.append((layer, rows.tolist()))
        return original(method, layer, data, rows, *rest)

    monkeypatch.setattr(features, "extract", noting)
    monkeypatch.setitem(METHODS._classes, "fake", FakeMethod)
    return calls


def group_of(tasks, label_sets=("groups",)):
    suite = Suite(
        name="few",
        title="",
        version="1",
        datasets=[DatasetBlock(name="synthetic", label_sets=list(label_sets), config={"patients": 120})],
        tasks=[TaskBlock(name=name, config=config) for name, config in tasks],
        methods=[MethodBlock(name="fake")],
    )
    (group,) = group_cells(make_plan(suite).cells)
    return group


def run(group, home):
    assert set(run_group(group, home, "cpu", discard_event)) == {"done"}
    store, answers = Store(home.records), {}
    for spec in (cell.spec for cell in group.cells if cell.spec.task == "few_shot"):
        record, predictions = store.get(spec), (store.folder(spec) / PREDICTIONS).read_bytes()
        answers[spec.key] = record.metrics, record.details, record.intervals, predictions
    return answers


def rows_by_split(home):
    data = open_dataset("synthetic", {"patients": 120}, home)
    return data, {split: np.flatnonzero(data.splits == split).tolist() for split in ("train", "val", "test")}


def test_few_shot_embeds_the_examples_of_all_its_cells_once_and_no_other_recording_of_train(prepared_home, passes):
    group = group_of([("few_shot", FEW_SHOT)], ["groups", "conditions"])
    records = run(group, prepared_home)
    data, rows = rows_by_split(prepared_home)
    ids = set()
    for file in prepared_home.subsets.glob("*-of-each-*.json"):
        ids |= set(json.loads(file.read_text("utf-8"))["record_ids"])
    examples = np.flatnonzero(np.isin(data.record_ids, list(ids))).tolist()
    assert len(records) == 2 * 2 and 0 < len(examples) < len(rows["train"]) / 2
    assert sorted(passes) == sorted(("embeddings", part) for part in (examples, rows["val"], rows["test"]))


def test_without_an_example_no_recording_of_train_is_embedded(prepared_home, passes):
    run(group_of([("few_shot", {"shots": 0})]), prepared_home)
    assert passes == [("embeddings", rows_by_split(prepared_home)[1]["test"])]


def test_the_pass_of_another_cell_over_the_whole_split_serves_few_shot_with_equal_numbers(
    prepared_home, passes, tmp_path
):
    other = Home(tmp_path / "other")
    shutil.copytree(prepared_home.data, other.data)
    alone = run(group_of([("few_shot", FEW_SHOT)]), prepared_home)
    passes.clear()
    shared = run(group_of([("few_shot", FEW_SHOT), ("linear_probe", PROBE)]), other)
    rows = rows_by_split(other)[1]
    assert sorted(passes) == sorted(("embeddings", rows[split]) for split in rows)
    assert alone == shared


def test_a_cell_whose_examples_cannot_be_drawn_takes_no_other_with_it(prepared_home, passes, monkeypatch):
    original = FewShot.examples

    def failing(self, context):
        if self.shots == 2:
            raise RuntimeError("no such class")
        return original(self, context)

    monkeypatch.setattr(FewShot, "examples", failing)
    group = group_of([("few_shot", FEW_SHOT)])
    run(group, prepared_home)
    _, rows = rows_by_split(prepared_home)
    lengths = [len(part) for layer, part in passes if part not in (rows["val"], rows["test"])]
    assert len(lengths) == 2  # of the first cell, and of the one that declared nothing
    assert rows_of_examples([], lambda cell: pytest.fail("nothing to ask")).tolist() == []
