"""Rotations over folds, and the lock on the labels of the predicted fold."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmark.api import Predictions, Rotation
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.engine.rotation import predict_in_turn
from benchmark.errors import BenchmarkError, MissingError, TestSetLockedError, UsageError
from benchmark.probes.rotations import rotations_of
from tasks.finding_leads import FindingLeads
from tasks.finding_probe import FindingProbe
from tests.tasks.findings.small_findings import contexts


def test_each_fold_is_predicted_once_by_a_probe_that_has_seen_nothing_of_it():
    whole_scope = rotations_of("all")
    assert [rotation.test for rotation in whole_scope] == [(fold,) for fold in range(1, 11)]
    for rotation in whole_scope:
        parts = (*rotation.train, *rotation.val, *rotation.test)
        assert sorted(parts) == list(range(1, 11)), "disjoint, and all folds are used"
    assert rotations_of("held_out") == whole_scope[8:], "the same probes predict folds 9 and 10 in both scopes"
    with pytest.raises(UsageError, match="did you mean 'held_out'"):
        FindingProbe(folds="heldout")


@pytest.mark.parametrize("task", [FindingProbe(), FindingLeads()])
def test_labels_of_the_predicted_fold_cannot_reach_the_prediction(world, task):
    rotations = task.rotations()
    other = contexts(
        world, rotations, lambda view: replace(view, labels=view.labels | {"test": 1 - view.labels["test"]})
    )
    predictions, others = (predict_in_turn(task, cells) for cells in (contexts(world, rotations), other))
    assert np.array_equal(predictions.arrays["logits"], others.arrays["logits"])
    assert json.dumps(predictions.details) == json.dumps(others.details) and len(predictions.details["rotations"]) == 2
    for name in predictions.scratch:
        assert np.array_equal(predictions.scratch[name], others.scratch[name])
    for cell, rotation in zip(contexts(world, rotations), rotations, strict=True):
        with pytest.raises(TestSetLockedError):
            cell.labels("test")
        with pytest.raises(TestSetLockedError):
            cell.reports("test")
        assert "test" not in cell._rows.labels and "test" not in cell._rows.leads
        folds = world[0].folds[cell._rows.rows["train"]]
        assert set(folds) == set(rotation.train) and not set(folds) & {*rotation.val, *rotation.test}


def test_labels_of_validation_choose_and_those_of_train_teach(world):
    rotation = rotations_of("held_out")[:1]
    plain = predict_in_turn(FindingProbe(), contexts(world, rotation)).details["rotations"][0]
    flip = contexts(world, rotation, lambda view: replace(view, labels=view.labels | {"val": 1 - view.labels["val"]}))
    flipped = predict_in_turn(FindingProbe(), flip).details["rotations"][0]
    for before, after in zip(plain["trials"], flipped["trials"], strict=True):
        assert before["val_macro_auroc"] == pytest.approx(1 - after["val_macro_auroc"], abs=1e-6)


def test_a_rotating_task_gives_a_row_for_each_recording_and_no_threshold(world):
    class Wrong(FindingProbe):
        def predict(self, context):
            return Predictions({"logits": np.zeros((3, 2))})

    with pytest.raises(BenchmarkError, match="logits has 3 rows"):
        predict_in_turn(Wrong(), contexts(world, rotations_of("held_out")))


def test_folds_without_recordings_are_refused_and_so_is_a_store_without_folds(world, synthetic_home):
    data, _ = world
    with pytest.raises(UsageError, match="ptbxl/findings has no recordings in val"):
        LabelledRows.of_rotation(data, "findings", Rotation((1, 2), (), (9,)), None)
    with pytest.raises(MissingError, match="no folds beside it"):
        _ = open_dataset("synthetic", {"patients": 120}, synthetic_home).folds
