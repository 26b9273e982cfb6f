"""Intervals, reasons and subgroups of scores, and paired differences."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import brier_score_loss, f1_score

from benchmark.api import Truth
from benchmark.metrics.calibration import expected_calibration_error
from benchmark.metrics.classification import auroc, macro
from benchmark.metrics.paired import Sample, holm, paired_difference
from benchmark.metrics.scoring import score_classes
from benchmark.metrics.statistics import (
    bootstrap_macro_auroc,
    bootstrap_macro_brier,
    bootstrap_macro_ece,
    bootstrap_macro_f1,
    interval,
    patient_weights,
)

METRICS = ("auroc", "auprc", "f1", "brier", "ece")


def world(seed=0, n=400, classes=3, digits=1, **groups):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, classes)) < [[0.4, 0.2, 0.1, 0.05][:classes]]).astype(int)
    scores = (rng.normal(size=(n, classes)) + labels).round(digits)
    ids = [f"r{i}" for i in range(n)]
    patients = [f"p{i}" for i in rng.integers(0, n // 2, n)]
    return Truth(ids, patients, labels, tuple("abcd"[:classes]), [], groups), scores


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 60), st.integers(0, 2))
def test_f1_brier_and_ece_of_every_resample_equal_sklearn_on_repeated_rows(seed, n, digits):
    truth, scores = world(seed, n, 2, digits)
    probabilities, limits = 1 / (1 + np.exp(-scores)), np.array([0.0, 1.0])
    weights = patient_weights(truth.patient_ids, 5, seed)
    f1 = bootstrap_macro_f1(truth.labels, scores, limits, weights)
    brier = bootstrap_macro_brier(truth.labels, probabilities, weights)
    ece = bootstrap_macro_ece(truth.labels, probabilities, weights, 5)
    for r, row in enumerate(weights):
        rows = np.repeat(np.arange(n), row)
        y, s, p = truth.labels[rows], scores[rows], probabilities[rows]
        values = [f1_score(y[:, c], s[:, c] >= limits[c], zero_division=0) for c in range(2) if y[:, c].any()]
        assert f1[r] == pytest.approx(np.mean(values), abs=1e-9) if values else np.isnan(f1[r])
        expected = np.mean([brier_score_loss(y[:, c], p[:, c], pos_label=1) for c in range(2)])
        assert brier[r] == pytest.approx(expected, abs=1e-9)
        assert ece[r] == pytest.approx(expected_calibration_error(y, p, 5).mean(), abs=1e-9)


def test_a_class_that_cannot_be_judged_has_a_reason_and_no_number():
    truth, scores = world(classes=4)
    truth.labels[:, 3], truth.labels[:, 2] = 0, 1
    result = score_classes(truth, scores, np.zeros(4), 1 / (1 + np.exp(-scores)))
    assert result.per_class["d"]["auroc"] is None and result.per_class["d"]["reason"] == "no positive in test"
    assert result.per_class["c"]["auroc"] is None and result.per_class["c"]["reason"] == "no negative in test"
    assert result.per_class["d"]["f1"] is None and "auroc_interval" not in result.per_class["d"]
    assert result.metrics["auroc_macro"] == macro(auroc(truth.labels[:, :2], scores[:, :2]))
    assert result.intervals.keys() == result.metrics.keys()
    assert [note.split(": ")[1] for note in result.notes] == ["c, d"] and not score_classes(*world()).notes
    json.dumps([result.per_class, result.subgroups, result.analysis, result.resampling], allow_nan=False)


def test_classes_without_a_positive_in_validation_are_named_for_their_f1():
    truth, scores = world(classes=3)
    scored = score_classes(truth, scores, np.array([0.0, np.inf, 0.0]))
    assert scored.per_class["b"]["f1"] == 0
    assert scored.notes == ["never called, so that their F1 is 0, because validation has no positive: b"]


def test_classes_that_the_training_subset_could_not_teach_are_named():
    truth, scores = world(classes=4)
    truth.labels[:, 3] = 0  # not in the means: named for that alone
    subset = {"fraction": 0.01, "seed": 3, "positives": {"a": 5, "b": 0, "c": 1, "d": 0}}
    notes = score_classes(truth, scores, subset=subset).notes
    assert [note.split(": ")[1] for note in notes] == ["d", "b"] and "1 % (seed 3)" in notes[1]
    assert score_classes(truth, scores).metrics == score_classes(truth, scores, subset=subset).metrics


def test_intervals_enclose_their_estimates():
    truth, scores = world()
    result = score_classes(truth, scores, np.zeros(3), 1 / (1 + np.exp(-scores)))
    assert result.intervals.keys() == result.metrics.keys() == {f"{name}_macro" for name in METRICS}
    for name, (low, high) in result.intervals.items():
        assert low < result.metrics[name] < high or name == "ece_macro"  # the |gap| of a resample is biased upwards
    for entry in result.per_class.values():
        assert entry["auprc_interval"][0] < entry["auprc"] < entry["auprc_interval"][1]
        assert entry["auroc_interval"][0] < entry["auroc"] < entry["auroc_interval"][1]
    assert len(result.resampled) == result.resampling["resamples"] == 1000
    assert [entry["positives"] for entry in result.per_class.values()] == truth.labels.sum(axis=0).tolist()


# --- subgroups ---


def test_subgroups_are_judged_on_the_classes_that_all_of_them_can_judge():
    sex = np.array(["female"] * 150 + ["male"] * 150 + [""] * 100, object)
    truth, scores = world(sex=sex)
    truth.labels[:150, 2] = 0  # no woman has class c
    entries = score_classes(truth, scores).subgroups["sex"]
    assert list(entries) == ["female", "male"]
    for value, rows in (("female", slice(0, 150)), ("male", slice(150, 300))):
        entry = entries[value]
        assert entry["n"] == 150 and entry["classes"] == 2 and entry["patients"] <= 150
        expected = macro(auroc(truth.labels[rows, :2], scores[rows, :2]))
        assert entry["auroc_macro"] == pytest.approx(expected, abs=1e-6)
        assert entry["interval"][0] < entry["auroc_macro"] < entry["interval"][1]
    assert entries["female"]["positives"]["c"] == 0 < entries["male"]["positives"]["c"]


def test_a_small_subgroup_has_a_reason_and_does_not_affect_others():
    device = np.array(["x"] * 390 + ["rare"] * 10, object)
    entries = score_classes(*world(device=device)).subgroups["device"]
    assert "auroc_macro" not in entries["rare"] and "fewer than 30" in entries["rare"]["reason"]
    assert entries["rare"]["n"] == 10 and entries["x"]["classes"] == 3


def test_subgroups_without_a_common_class_have_a_reason():
    sex = np.array(["female"] * 200 + ["male"] * 200, object)
    truth, scores = world(classes=1, sex=sex)
    truth.labels[:200] = 0
    assert all("no class has" in entry["reason"] for entry in score_classes(truth, scores).subgroups["sex"].values())


def small(n=60, **changes):
    """Score one class of 30 recordings per sex, half of them positive; `changes` sets the positives among the men."""
    labels = (np.arange(n) % 2)[:, None]
    if "male" in changes:
        labels[30:, 0] = np.arange(30) < changes["male"]
    sex = np.array(["female"] * 30 + ["male"] * 30, object)
    ids = [f"r{i}" for i in range(n)]
    scores = np.random.default_rng(0).normal(size=(n, 1))
    return score_classes(Truth(ids, ids, labels, ("a",), [], {"sex": sex}), scores).subgroups["sex"]


@pytest.mark.parametrize(("positives", "is_judged"), [(4, False), (5, True), (25, True), (26, False)])
def test_a_class_needs_five_positives_and_five_negatives_in_every_value(positives, is_judged):
    for entry in small(male=positives).values():
        assert ("auroc_macro" in entry) is is_judged and ("reason" in entry) is not is_judged


def test_thirty_recordings_are_enough_and_29_are_not():
    assert all("auroc_macro" in entry for entry in small().values())
    sex = np.array(["female"] * 371 + ["male"] * 29, object)
    entries = score_classes(*world(sex=sex)).subgroups["sex"]
    assert "reason" in entries["male"] and "auroc_macro" in entries["female"]


def test_the_resamples_are_those_that_the_record_names():
    truth, scores = world()
    result = score_classes(truth, scores)
    resampling = result.resampling
    replicates = bootstrap_macro_auroc(
        truth.labels, scores, truth.patient_ids, resampling["resamples"], resampling["seed"]
    )
    np.testing.assert_array_equal(result.resampled, replicates)
    assert result.resampling["seed"] == 0 and result.intervals["auroc_macro"] == interval(replicates)


# --- paired differences ---


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.3, 1.0]), min_size=1, max_size=8))
def test_holm_by_its_definition(p):
    """p_(i) adjusted = the largest of min(1, (m - j + 1) p_(j)) over j <= i; the same for equal p values."""
    ascending = sorted(p)
    by_value = {
        value: max(
            min(1.0, (len(p) - j) * ascending[j]) for j in range(ascending.index(value) + 1 + p.count(value) - 1)
        )
        for value in p
    }
    for value, adjusted in zip(p, holm(p), strict=True):
        assert adjusted >= value and adjusted == pytest.approx(by_value[value])


def test_the_paired_test_of_a_mean_agrees_with_scipy():
    """On a mean the bootstrap p is that of a paired t-test, up to the noise of 4,000 resamples."""
    rng = np.random.default_rng(3)
    hard = rng.normal(size=300)  # what both methods find hard
    a, b = hard + rng.normal(0.03, 0.3, 300), hard + rng.normal(0, 0.3, 300)
    weights = patient_weights([str(i) for i in range(300)], 4000)
    difference = paired_difference(
        Sample.of_one(a.mean(), weights @ a / 300), Sample.of_one(b.mean(), weights @ b / 300)
    )
    assert difference.value == pytest.approx(a.mean() - b.mean())
    assert difference.p == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.03)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high), abs=0.006)
    assert paired_difference(Sample.of_one(0, np.zeros(99)), Sample.of_one(0, np.zeros(99))).p == 1


def test_the_p_value_follows_its_formula_and_needs_two_resamples():
    a, b = np.array([0.82, 0.86, np.nan, 0.81]), np.array([0.80, 0.79, 0.5, 0.80])
    difference = paired_difference(Sample.of_one(0.83, a), Sample.of_one(0.80, b))
    error = np.std([0.02, 0.07, 0.01], ddof=1)
    assert difference.p == pytest.approx(2 * stats.norm.sf(0.03 / error))
    two = paired_difference(
        Sample.of_one(0.83, a[:2]), Sample.of_one(0.80, b[:2])
    )  # two resamples are enough for a standard error
    assert two.p == pytest.approx(2 * stats.norm.sf(0.03 / np.std([0.02, 0.07], ddof=1)))
    for usable in (slice(0, 1), slice(2, 3)):
        assert paired_difference(Sample.of_one(0.83, a[usable]), Sample.of_one(0.80, b[usable])) is None


@pytest.mark.parametrize("members", [1, 3])
def test_a_difference_without_spread_over_patients_is_not_testable(members):
    """One patient gives equal resamples: a standard error of 0, and so p = 0 for any two rows."""
    first, second = (
        Sample(value, value + np.linspace(0, spread, members), np.full((members, 9), np.float32(value)))
        for value, spread in ((0.9, 0.01), (0.8, 0.02))
    )
    assert paired_difference(first, second) is None
    assert paired_difference(Sample.of_one(0.9, np.full(9, 0.9)), second) is None
    same = paired_difference(first, first)
    assert (same.value, same.p, same.low, same.high) == (0, 1, 0, 0)


def test_trainings_that_agree_by_chance_do_not_separate_at_zero_error():
    """Members with equal numbers and opposite hits: both parts of the variance come to nothing."""
    apart = np.tile([[0.3, 0.5], [0.5, 0.3]], 50)
    first, second = Sample(0.4, np.array([0.4, 0.4]), apart), Sample.of_one(0.2, np.tile([0.2, 0.2001], 50))
    assert paired_difference(first, second) is None
