"""A grid from start to end on synthetic data: resumed, killed, failing, repeated; and the lock on the test set."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.engine import context as context_module
from benchmark.engine import run as run_module
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.events import discard_event
from benchmark.engine.executors import InlineExecutor, ProcessesExecutor
from benchmark.engine.first_look import LOOKED_AT
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.outcome import failed_record
from benchmark.engine.run import run_group
from benchmark.errors import TestSetLockedError
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.standing import standings_at
from benchmark.planning.suites import load_suite
from benchmark.records.paths import RECORD
from benchmark.records.store import Store
from benchmark.registry import METHODS, TASKS
from benchmark.testing import FakeMethod
from tasks.linear_probe import LinearProbe

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def plan(tiny_suite):
    return make_plan(load_suite(str(tiny_suite)))


def run(plan, home, executor=None):
    groups = group_cells(standings_at(plan, home).to_run)
    (executor or InlineExecutor()).run(groups, home, "cpu", discard_event)
    return standings_at(plan, home)


def metrics(standings, home):
    return {cell.title: Store(home.records).get(cell.spec).metrics for cell in standings.finished_cells}


def test_a_grid_runs_once_and_is_then_free(plan, prepared_home, monkeypatch):
    outcome = run(plan, prepared_home)
    assert len(outcome.finished_cells) == len(plan.cells) == 3 * 3 + 1 and not outcome.failed_cells
    record = Store(prepared_home.records).get(outcome.finished_cells[0].spec)
    assert record.synthetic and not record.partial and record.data_digest
    assert {"code", "environment", "peak_memory_mb"} <= set(record.provenance)
    assert record.n["train"] == record.details["subset"]["n"] and 0 < record.metrics["auroc_macro"] <= 1
    low, high = record.intervals["auroc_macro"]
    assert low < record.metrics["auroc_macro"] < high
    monkeypatch.setattr("benchmark.engine.run._GroupRun._run_cell", lambda *_: pytest.fail("a finished cell ran again"))
    assert not standings_at(plan, prepared_home).to_run
    assert run_group(group_cells(plan.cells)[0], prepared_home, "cpu", discard_event) == {"done": 3}


def test_two_runs_agree_and_processes_agree_with_inline(plan, prepared_home, synthetic_home, tmp_path):
    """With one thread each, a worker's numbers are those of this process; more threads add in another order."""
    import shutil

    import torch

    from benchmark.paths import Home

    threads = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        expected = metrics(run(plan, prepared_home), prepared_home)
        torch.set_num_threads(threads)
    other = Home(tmp_path / "other")
    shutil.copytree(synthetic_home.data, other.data)
    result = metrics(run(plan, other, ProcessesExecutor(os.cpu_count())), other)
    assert result.keys() == expected.keys()
    for title, values in expected.items():
        assert result[title] == pytest.approx(values, abs=1e-6), title


def test_the_features_are_extracted_once(plan, prepared_home, monkeypatch):
    calls = []
    original = METHODS.get("handcrafted").ecg_features
    monkeypatch.setattr(
        METHODS.get("handcrafted"), "ecg_features", lambda self, ecg: calls.append(len(ecg)) or original(self, ecg)
    )
    run(plan, prepared_home)
    first_look = 2 * LOOKED_AT  # together and one by one
    assert sum(calls) == len(open_dataset("synthetic", {"patients": 120}, prepared_home)) + first_look


def test_other_data_makes_records_stale(plan, prepared_home, reseal):
    run(plan, prepared_home)
    reseal(open_dataset("synthetic", {"patients": 120}, prepared_home).path, digest="0" * 16)
    standings = standings_at(plan, prepared_home)
    assert len(standings.cells("stale")) == len(plan.cells) and not standings.finished_cells


def test_a_failing_cell_is_a_record_and_the_rest_goes_on(plan, prepared_home, monkeypatch):
    original = LinearProbe.predict

    def fails(self, context):
        if self.fraction == 0.1 and self.seed == 1:
            raise RuntimeError("no luck today")
        return original(self, context)

    monkeypatch.setattr(LinearProbe, "predict", fails)
    outcome = run(plan, prepared_home)
    assert len(outcome.failed_cells) == 3 and len(outcome.finished_cells) == len(plan.cells) - 3
    error = Store(prepared_home.records).get(outcome.failed_cells[0].spec).error
    assert error["message"] == "no luck today" and "in fails" in error["traceback"]
    assert len(run(plan, prepared_home).failed_cells) == 3  # failed cells are not run again by themselves
    monkeypatch.setattr(LinearProbe, "predict", original)
    for cell in outcome.failed_cells:
        Store(prepared_home.records).set_aside(cell.spec)
    assert not run(plan, prepared_home).failed_cells


def test_a_method_that_cannot_be_built_fails_its_cells_alone(plan, prepared_home, monkeypatch):
    monkeypatch.setattr("benchmark.engine.pretraining.train", lambda *_, **__: 1 / 0)
    outcome = run(plan, prepared_home)
    assert {cell.row for cell in outcome.failed_cells} == {"merl"} and len(outcome.finished_cells) == 6


def test_a_worker_that_is_killed_takes_no_other_cell_with_it(plan, prepared_home, tmp_path, monkeypatch):
    """A plug-in method that kills its own process, as the out-of-memory killer would."""
    (tmp_path / "deadly.py").write_text(
        "import os, signal\nfrom benchmark.testing import FakeMethod\n"
        "class Deadly(FakeMethod):\n    def ecg_features(self, ecg):\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    info = tmp_path / "deadly-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ecgarena.methods]\ndeadly = deadly:Deadly\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    suite = tmp_path / "tiny.toml"
    suite.write_text(suite.read_text() + '\n[[methods]]\nname = "deadly"\n')
    plan = make_plan(load_suite(str(suite)), methods=["deadly", "handcrafted"], tasks=["linear_probe"])
    outcome = run(plan, prepared_home, ProcessesExecutor(2))
    assert len(outcome.finished_cells) == 3 and {cell.row for cell in outcome.finished_cells} == {"handcrafted"}
    METHODS._classes.pop("deadly")
    fault = Store(prepared_home.records).get(outcome.failed_cells[0].spec).error
    assert fault["kind"] == "WorkerDied" and "SIGKILL (out of memory, perhaps)" in fault["message"]


def test_a_clock_that_is_put_back_hides_no_reason_of_a_failure(plan, home, monkeypatch):
    """A file server's clock may lag behind: failures older than the worker once became "ended with exit code 0"."""
    group = group_cells(plan.cells)[0]

    class Worker:
        stdout = ()

        def __init__(self, *words, **options):
            for cell in group.cells:
                store.write(cell.spec, failed_record(cell, {"kind": "x", "message": "why", "traceback": ""}, 0.0))
                os.utime(store.folder(cell.spec) / RECORD, (1, 1))

        def wait(self):
            return 0

    store = Store(home.records)
    monkeypatch.setattr("benchmark.engine.executors.subprocess.Popen", Worker)
    ProcessesExecutor(1).run([group], home, "cpu", discard_event)
    assert {record.error["message"] for record in store.records()} == {"why"}


def test_a_failure_from_the_future_is_run_again(plan, home, monkeypatch):
    """A clock that was put back leaves records that seem younger than the run; they are no failures of another run."""
    group = group_cells(plan.cells)[0]
    store = Store(home.records)
    for cell in group.cells:
        store.write(cell.spec, failed_record(cell, {"kind": "x", "message": "why", "traceback": ""}, 0.0))
        os.utime(store.folder(cell.spec) / RECORD, (2**33, 2**33))
    monkeypatch.setattr(run_module._GroupRun, "_run_cell", lambda self, cell: "done")
    monkeypatch.setattr(run_module.GroupData, "data", lambda *words: None)
    monkeypatch.setattr(run_module, "handle_of", lambda *words: None)
    assert run_group(group, home, "cpu", discard_event) == {"done": len(group.cells)}


def test_sigkill_in_the_middle_of_a_run_and_resume(plan, prepared_home, tiny_suite):
    """The whole command is killed once some cells are there; the second command finishes with the same numbers."""
    command = [sys.executable, "-m", "benchmark", "run", str(tiny_suite), "--home", str(prepared_home.root), "-q"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    store = Store(prepared_home.records)
    while len(list(store.records())) < 4:
        assert worker.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    before = {record.key: record.to_json() for record in store.records()}
    assert 4 <= len(before) < len(plan.cells)
    assert subprocess.run(command, capture_output=True, cwd=ROOT).returncode == 0
    after = {record.key: record.to_json() for record in store.records()}
    assert len(after) == len(plan.cells) and all(after[key] == value for key, value in before.items())


def test_partial_results_are_apart(plan, tiny_suite, prepared_home):
    limited = run(make_plan(load_suite(str(tiny_suite)), limit=20), prepared_home)
    records = list(Store(prepared_home.records).records())
    assert records and all(record.partial and record.n["test"] <= 20 for record in records)
    keys = {standing.cell.spec.key for standing in limited.all}
    assert keys and not keys & {cell.spec.key for cell in plan.cells}


# --- the lock on the test set ---


@pytest.fixture
def world(prepared_home):
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    return data, LabelledRows.of(data, "conditions", None), prepared_home


def context(world, view=None):
    data, truth, home = world
    handle = MethodHandle("handcrafted", {}, 1, None, None, "cpu")
    return CellContext(CellInputs(data, view or truth, handle, "synthetic", "conditions", home))


def test_splits_share_no_patient_and_no_recording(world):
    data, view, _ = world
    patients = {split: set(data.patient_ids[rows]) for split, rows in view.rows.items()}
    rows = {split: set(result) for split, result in view.rows.items()}
    for a, b in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not patients[a] & patients[b] and not rows[a] & rows[b]


def test_a_task_cannot_ask_for_test_labels(world):
    with pytest.raises(TestSetLockedError):
        context(world).labels("test")
    assert "test" not in context(world)._rows.labels


def test_no_test_label_reaches_the_tuning(world):
    """With all test labels turned round, every choice and every prediction stays the same bit by bit."""
    data, view, _ = world
    task = LinearProbe(fraction=0.5, seed=1, trials=6)
    honest = task.predict(context(world))
    poisoned = LabelledRows(view.classes, view.rows, {**view.labels, "test": 1 - view.labels["test"]})
    other = task.predict(context(world, poisoned))
    assert np.array_equal(honest.arrays["logits"], other.arrays["logits"])
    assert np.array_equal(honest.thresholds, other.thresholds) and honest.details == other.details
    assert task.score(honest, view.truth(data)).metrics != task.score(other, poisoned.truth(data)).metrics


def test_validation_labels_do_reach_the_tuning(world):
    """The counterpart: the test above would also pass if the tuning saw nothing at all."""
    _, view, _ = world
    task = LinearProbe(fraction=0.5, seed=1, trials=6)
    flipped_view = LabelledRows(view.classes, view.rows, {**view.labels, "val": 1 - view.labels["val"]})
    assert (
        task.predict(context(world)).details["trials"] != task.predict(context(world, flipped_view)).details["trials"]
    )


def test_the_standardisation_sees_the_subset_alone(world, monkeypatch):
    """Test signals moved far away change test predictions, not the search."""
    task = LinearProbe(fraction=0.5, seed=1, trials=4)
    plain = task.predict(context(world))
    variant = context(world)
    original = variant.features
    monkeypatch.setattr(
        variant, "features", lambda split, *a: original(split, *a) + (100.0 if split == "test" else 0.0)
    )
    shifted = task.predict(variant)
    assert shifted.details == plain.details
    assert not np.array_equal(shifted.arrays["logits"], plain.arrays["logits"])


def test_zero_shot_embeds_the_test_recordings_alone(world, monkeypatch):
    data, view, home = world
    lengths = []
    monkeypatch.setitem(METHODS._classes, "fake", FakeMethod)
    handle = MethodHandle("fake", {}, 1, None, None, "cpu")
    original = context_module.cached_features

    def counting(handle, layer, data, rows, *rest):
        lengths.append((layer, len(rows)))
        return original(handle, layer, data, rows, *rest)

    monkeypatch.setattr(context_module, "cached_features", counting)
    for name in ("zero_shot", "retrieval"):
        TASKS.get(name)().predict(CellContext(CellInputs(data, view, handle, "synthetic", "conditions", home)))
    assert lengths == [("embeddings", int((data.splits == "test").sum()))] * 2


def test_zero_shot_uses_no_labels_at_all(prepared_home, world, monkeypatch):
    data, view, home = world
    METHODS._classes["fake"] = FakeMethod
    try:
        handle = MethodHandle("fake", {}, 1, None, None, "cpu")
        calls = CellContext(CellInputs(data, view, handle, "synthetic", "conditions", home))
        monkeypatch.setattr(calls, "labels", lambda split: pytest.fail(f"zero-shot asked for {split} labels"))
        task = TASKS.get("zero_shot")()
        predictions = task.predict(calls)
        scores = task.score(predictions, view.truth(data))
    finally:
        del METHODS._classes["fake"]
    assert predictions.thresholds is None and set(scores.metrics) == {"auroc_macro", "auprc_macro"}
