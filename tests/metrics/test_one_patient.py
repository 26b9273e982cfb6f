"""A test set of one patient has a number, and neither an interval nor a test."""

import numpy as np
import pytest

from benchmark.api import Truth
from benchmark.metrics.one_patient import NOTE, without_spread_of_one
from benchmark.metrics.scoring import score_classes

COUNT = 80
RANDOM = np.random.default_rng(0)
LABELS = (RANDOM.random((COUNT, 2)) < 0.4).astype(np.uint8)


def scores_of(patients, groups=None):
    truth = Truth([str(n) for n in range(COUNT)], patients, LABELS, ("a", "b"), [""] * COUNT, groups or {}, "x/y")
    return without_spread_of_one(score_classes(truth, RANDOM.normal(size=(COUNT, 2)) + LABELS), truth)


def test_one_patient_has_numbers_alone():
    scores = scores_of(["7"] * COUNT)
    assert set(scores.metrics) == {"auroc_macro", "auprc_macro"} and scores.notes == [NOTE]
    assert scores.intervals == {} and scores.resampled is None and scores.resampling == {}
    assert set(scores.per_class["a"]) == {"auroc", "auprc", "positives"}


def test_two_patients_keep_their_intervals():
    scores = scores_of(["7", "8"] * (COUNT // 2))
    assert set(scores.intervals) == {"auroc_macro", "auprc_macro"} and scores.resampled.shape == (1000,)
    assert "auroc_interval" in scores.per_class["a"] and not scores.notes


def test_a_subgroup_of_one_patient_has_no_interval():
    half = COUNT // 2
    sex = np.array(["female"] * half + ["male"] * half, object)
    parts = scores_of(["7"] * half + [str(n) for n in range(half)], {"sex": sex}).subgroups["sex"]
    assert "interval" not in parts["female"] and parts["female"]["auroc_macro"] == pytest.approx(0.75, abs=0.25)
    assert len(parts["male"]["interval"]) == 2
