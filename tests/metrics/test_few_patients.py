"""Test sets of few patients: neither interval nor test, in records and when they are computed again."""

import numpy as np
import pytest

from benchmark.api import Scores, Truth
from benchmark.metrics.few_patients import FEWEST, NO_TEST, without_uncertainty
from benchmark.metrics.paired import Sample, paired_difference
from benchmark.metrics.scoring import score_classes
from benchmark.metrics.statistics import patient_weights

RECORDINGS = 60


def truth_of(patients, groups=None):
    labels = np.tile([[1, 0], [0, 1], [1, 1], [0, 0]], (RECORDINGS // 4, 1)).astype(bool)
    names = [str(row) for row in range(RECORDINGS)]
    ids = [str(row % patients) for row in range(RECORDINGS)]
    return Truth(names, ids, labels, ("a", "b"), [""] * RECORDINGS, groups=groups or {})


def scores_of(truth):
    return score_classes(truth, np.random.default_rng(0).normal(size=(RECORDINGS, 2)))


@pytest.mark.parametrize("patients", [1, 2, FEWEST - 1])
def test_few_patients_leave_the_numbers_and_a_note_alone(patients):
    truth = truth_of(patients)
    plain = scores_of(truth)
    scores = without_uncertainty(plain, truth)
    assert scores.metrics == plain.metrics and scores.per_class["a"]["auroc"] == plain.per_class["a"]["auroc"]
    assert not scores.intervals and scores.resampled is None and not scores.resampling
    assert not any("interval" in name for values in scores.per_class.values() for name in values)
    (note,) = [note for note in scores.notes if note.startswith(NO_TEST)]
    assert ("one patient" if patients == 1 else f"{patients} patients, fewer than {FEWEST}") in note
    assert without_uncertainty(scores, truth).notes == scores.notes, "said once"


def test_enough_patients_keep_everything():
    truth = truth_of(FEWEST)
    plain = scores_of(truth)
    assert without_uncertainty(plain, truth) == plain


def test_a_subgroup_of_few_patients_loses_its_own_interval_alone():
    """A subgroup needs 30 recordings; here they are of one patient, beside one of 30 patients."""
    sexes = np.repeat(["female", "male"], RECORDINGS // 2)
    truth = truth_of(RECORDINGS, {"sex": sexes})
    truth.patient_ids[:] = ["p"] * (RECORDINGS // 2) + truth.patient_ids[RECORDINGS // 2 :]
    plain = scores_of(truth)
    assert plain.subgroups["sex"]["female"]["patients"] == 1 and "interval" in plain.subgroups["sex"]["female"]
    scores = without_uncertainty(plain, truth)
    assert "interval" not in scores.subgroups["sex"]["female"] and "interval" in scores.subgroups["sex"]["male"]
    assert scores.subgroups["sex"]["female"]["auroc_macro"] and scores.intervals


def test_what_has_no_uncertainty_needs_no_note():
    assert not without_uncertainty(Scores({"own": 1.0}), truth_of(1)).notes


def test_on_two_patients_equal_methods_would_be_separated_in_forty_percent():
    """The reason for the limit: the normal approximation takes the spread of two patients for known."""
    rng, weights = np.random.default_rng(0), patient_weights(["a", "b"])
    separated = 0
    for _ in range(500):
        first, second = rng.normal(size=(2, 2))
        rows = (Sample.of_one(values.mean(), weights @ values / 2) for values in (first, second))
        separated += paired_difference(*rows).p < 0.05
    assert separated / 500 == pytest.approx(0.4, abs=0.06)
