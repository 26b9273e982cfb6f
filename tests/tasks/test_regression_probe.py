"""The regression probe on synthetic recordings: what it sees, what it is scored by, and what bad targets do."""

import json

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score

from benchmark.api import SPLITS, Target
from benchmark.cli import main
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.method_handle import MethodHandle
from benchmark.errors import BenchmarkError, TestSetLockedError, UsageError
from benchmark.planning.plan import make_plan
from benchmark.planning.standing import standings_at
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store
from tasks.regression_probe import RegressionProbe

SUITE = """
name = "numbers"
title = "Numbers"
version = "1"
datasets = [{ name = "synthetic", label_sets = ["groups", "heart_rate"], config = { patients = 120 } }]
methods = [{ name = "random_init", config = { width = 8, rate = 100.0 } }]
[[tasks]]
name = "regression_probe"
config = { fraction = [0.3, 1.0], seed = [0, 1] }
[[tasks]]
name = "ridge"
label_sets = ["groups", "heart_rate"]
"""


@pytest.fixture
def world(prepared_home):
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    return data, LabelledRows.of(data, "heart_rate", None), prepared_home


def context(world, view=None, method="handcrafted"):
    data, rows, home = world
    handle = MethodHandle(method, {}, 1, None, None, "cpu")
    return CellContext(CellInputs(data, view or rows, handle, "synthetic", "heart_rate", home))


def with_numbers(view, **values):
    """The same recordings with other numbers in some splits."""
    numbers = {split: values.get(split, view.values[split]) for split in SPLITS}
    return LabelledRows(view.classes, view.rows, view.labels, view.name, view.target, numbers)


def test_predictions_are_blind_to_the_numbers_of_test_and_scored_by_them(world):
    data, view, _ = world
    task = RegressionProbe(fraction=0.5)
    predictions = task.predict(context(world))
    other = with_numbers(view, test=view.values["test"][::-1].copy())
    again = task.predict(context(world, other))
    assert np.array_equal(predictions.arrays["numbers"], again.arrays["numbers"])
    assert json.dumps(predictions.details) == json.dumps(again.details)
    with pytest.raises(TestSetLockedError):
        context(world).target_values("test")
    scores = task.score(predictions, view.truth(data))
    truth, numbers = view.values["test"], predictions.arrays["numbers"].astype(float)
    assert scores.metrics["mae"] == pytest.approx(mean_absolute_error(truth, numbers))
    assert scores.metrics["r2"] == pytest.approx(r2_score(truth, numbers))
    assert scores.metrics["r2"] > 0.8, "textbook features know the heart rate"
    assert task.score(predictions, other.truth(data)).metrics["mae"] > scores.metrics["mae"]


def test_the_numbers_of_validation_choose_the_penalty(world):
    _, view, _ = world
    plain = RegressionProbe().predict(context(world))
    mean = np.full(len(view.values["val"]), view.values["train"].mean())
    constant = RegressionProbe().predict(context(world, with_numbers(view, val=mean)))
    assert constant.details["choice"]["penalty"] > plain.details["choice"]["penalty"]


def test_subsets_are_nested_hold_whole_patients_and_are_stratified_over_the_number(world):
    data, view, _ = world
    cell = context(world)
    (small, summary), (large, _) = (cell.subset(fraction, 3) for fraction in (0.2, 0.6))
    assert set(small) < set(large) and len(summary["positives"]) == 10
    assert all("beats/min" in name and count >= 1 for name, count in summary["positives"].items())
    patients = data.patient_ids[view.rows["train"]]
    assert not set(patients[small]) & set(np.delete(patients, small))
    assert abs(view.values["train"][small].mean() - view.values["train"].mean()) < 8


def test_the_training_mean_is_the_mean_of_the_subset_for_everybody(world):
    data, view, _ = world
    task = RegressionProbe(fraction=0.3)
    predictions = task.predict(context(world, method="training_mean"))
    rows, _ = context(world).subset(0.3, 0)
    assert np.allclose(predictions.arrays["numbers"], view.values["train"][rows].mean())
    scores = task.score(predictions, view.truth(data))
    assert scores.metrics["r2"] <= 1e-9 and "spearman" not in scores.metrics
    assert any(note.startswith("no spearman") for note in scores.notes)


def test_a_constant_target_is_predicted_and_marked(world):
    data, view, _ = world
    view = with_numbers(view, **{split: np.full(len(view.rows[split]), 72.0) for split in SPLITS})
    task = RegressionProbe()
    predictions = task.predict(context(world, view))
    scores = task.score(predictions, view.truth(data))
    assert scores.metrics["mae"] == pytest.approx(0, abs=1e-4) and set(scores.metrics) == {"mae"}
    text = "\n".join(scores.notes)
    assert "no r2" in text and "no spearman" in text and "numbers of a single range" in text


def test_an_infinite_target_that_slips_in_is_refused(world):
    _, view, _ = world
    values = view.values["train"].copy()
    values[5] = np.inf
    with pytest.raises(BenchmarkError, match="training has numbers that are missing or infinite"):
        RegressionProbe().predict(context(world, with_numbers(view, train=values)))


def test_classes_are_refused_and_so_is_merls_draw(world):
    data, _, home = world
    classes = LabelledRows.of(data, "groups", None)
    with pytest.raises(UsageError, match="synthetic/groups has classes and no numbers"):
        RegressionProbe().predict(context((data, classes, home)))
    with pytest.raises(UsageError, match="MERL's files have classes and no numbers"):
        RegressionProbe(subset="merl")


def test_one_patient_in_test_gives_no_interval(world):
    data, view, _ = world
    truth = view.truth(data)
    task = RegressionProbe()
    predictions = task.predict(context(world))
    object.__setattr__(truth, "patient_ids", ["p"] * len(truth.record_ids))
    scores = task.score(predictions, truth)
    assert scores.metrics["mae"] > 0 and not scores.intervals and scores.resampled is None


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "numbers.toml"
    path.write_text(SUITE, "utf-8")
    return path


def test_a_suite_asks_numbers_of_targets_and_classes_of_label_sets(suite):
    plan = make_plan(load_suite(str(suite)))
    places = {(cell.row, cell.spec.task, cell.spec.label_set) for cell in plan.cells}
    rows = ("random_init", "training_mean", "handcrafted")
    assert places == {("random_init", "ridge", "groups"), *((row, "regression_probe", "heart_rate") for row in rows)}
    reasons = {(skip.row, skip.task): skip.reason for skip in plan.skips}
    assert reasons["random_init", "ridge"] == "synthetic/heart_rate: heart_rate is a number, and it predicts none"
    assert reasons["random_init", "regression_probe"] == "synthetic/groups: it predicts numbers, and groups is none"
    assert len(plan.cells) == 1 + 3 * 3


def test_from_the_command_to_tables_in_units_and_stale_by_other_values(suite, prepared_home, capsys):
    assert main(["run", str(suite), "-q"]) == 0
    table = (prepared_home.leaderboards / "numbers.md").read_text("utf-8")
    assert (
        "MAE in beats/min (lower is better); " in table
        and "| method | MAE in beats/min (lower is better) | R² |" in table
    )
    plan, store = make_plan(load_suite(str(suite))), Store(prepared_home.records)
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    for cell in plan.cells:
        record = store.get(cell.spec)
        assert record.values_digest == (data.values_digest("heart_rate") if cell.spec.task != "ridge" else None)
    means = {cell.row: store.get(cell.spec).metrics["mae"] for cell in plan.cells if cell.spec.task != "ridge"}
    assert means["handcrafted"] < means["random_init"] < means["training_mean"]
    manifest = data.path / "supplement" / "supplement.json"
    fields = json.loads(manifest.read_text("utf-8"))
    fields["digests"]["heart_rate"] = "0123456789abcdef"
    from benchmark.data.store.integrity import seal

    manifest.write_text(json.dumps(seal(fields)), "utf-8")
    standings = standings_at(plan, prepared_home)
    assert {cell.spec.task for cell in standings.cells("stale")} == {"regression_probe"}
    [why] = standings.reasons("stale")
    assert "other values of synthetic/heart_rate" in why and "0123456789abcdef" in why


def test_a_limited_run_reads_the_recordings_of_the_target(suite, prepared_home, capsys):
    assert main(["run", str(suite), "-q", "--limit", "20"]) == 0
    plan = make_plan(load_suite(str(suite)), limit=20)
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    view = LabelledRows.of(data, "heart_rate", 20)
    cell = next(cell for cell in plan.cells if cell.row == "handcrafted" and cell.question["fraction"] == 1)
    record = Store(prepared_home.records).get(cell.spec)
    assert record.n == {split: len(view.rows[split]) for split in SPLITS} and record.metrics["r2"] > 0.5


def test_targets_have_a_unit_and_a_range():
    from benchmark.registry import DATASETS

    for name in DATASETS.names():
        for target in DATASETS.get(name).targets.values():
            assert isinstance(target, Target) and target.unit and target.low < target.high
