"""The bootstrap equals scikit-learn on repeated rows, resample by resample."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmark.errors import BenchmarkError
from benchmark.metrics import statistics
from benchmark.metrics.classification import auroc
from benchmark.metrics.statistics import (
    bootstrap_auroc,
    bootstrap_average_precision,
    bootstrap_macro_auroc,
    interval,
    macro_replicates,
    patient_weights,
)


def problem(seed=0, n=120, classes=4, patients=50, digits=1):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, classes)) < np.geomspace(0.02, 0.8, classes)).astype(int)
    scores = (rng.normal(size=(n, classes)) + labels).round(digits)
    return labels, scores, [f"p{i}" for i in rng.integers(0, patients, n)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 80), st.integers(1, 40), st.integers(0, 3))
def test_every_resample_equals_sklearn_on_repeated_rows(seed, n, patients, digits):
    labels, scores, ids = problem(seed, n, 3, patients, digits)
    weights, areas = patient_weights(ids, 8, seed), bootstrap_auroc(labels, scores, ids, 8, seed)
    for r, row in enumerate(weights):
        rows = np.repeat(np.arange(n), row)
        for c in range(3):
            if 0 < labels[rows, c].sum() < len(rows):
                assert areas[r, c] == pytest.approx(roc_auc_score(labels[rows, c], scores[rows, c]), abs=1e-9)
            else:
                assert np.isnan(areas[r, c])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 80), st.integers(1, 40), st.integers(0, 3))
def test_average_precision_of_every_resample_equals_sklearn_on_repeated_rows(seed, n, patients, digits):
    labels, scores, ids = problem(seed, n, 3, patients, digits)
    weights, precisions = patient_weights(ids, 6, seed), bootstrap_average_precision(labels, scores, ids, 6, seed)
    for r, row in enumerate(weights):
        rows = np.repeat(np.arange(n), row)
        for c in range(3):
            if 0 < labels[rows, c].sum() < len(rows):
                expected = average_precision_score(labels[rows, c], scores[rows, c])
                assert precisions[r, c] == pytest.approx(expected, abs=1e-9)
            else:
                assert np.isnan(precisions[r, c])


@pytest.mark.parametrize("n", [15, 16, 17, 33])
def test_any_number_of_recordings_fits_into_blocks(n):
    labels, scores, ids = (np.arange(n) % 2)[:, None], np.arange(n, dtype=float)[:, None], np.zeros(n)
    expected = average_precision_score(labels, scores)  # one patient: every resample is the whole
    assert bootstrap_average_precision(labels, scores, ids, 2) == pytest.approx(expected)


def test_one_positive_above_one_negative_is_all_that_a_precision_needs():
    assert (bootstrap_average_precision([[1], [0]], [[0.9], [0.1]], ["a", "a"], 3) == 1).all()


def test_chunks_do_not_change_the_result(monkeypatch):
    labels, scores, ids = problem()
    whole = bootstrap_auroc(labels, scores, ids, 50)
    monkeypatch.setattr(statistics, "CHUNK", 7 * len(ids))
    np.testing.assert_array_equal(bootstrap_auroc(labels, scores, ids, 50), whole)


def test_constant_scores_give_one_half_in_every_resample():
    labels, scores, ids = problem()
    values = bootstrap_auroc(labels, np.zeros_like(scores), ids, 100)
    assert (values[~np.isnan(values)] == 0.5).all()


def test_weights_repeat_whole_patients_and_depend_on_ids_and_seed_alone():
    _, _, ids = problem()
    weights = patient_weights(ids, 200, seed=3)
    patients, first, owner = np.unique(ids, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(weights, weights[:, first][:, owner])  # one multiplicity per patient
    assert (weights[:, first].sum(axis=1) == len(patients)).all()  # as many draws as patients
    np.testing.assert_array_equal(weights, patient_weights(ids, 200, seed=3))
    assert (weights != patient_weights(ids, 200, seed=4)).any()
    order = np.random.default_rng(0).permutation(len(ids))
    np.testing.assert_array_equal(patient_weights(np.array(ids)[order], 200, seed=3), weights[:, order])
    np.testing.assert_array_equal(patient_weights(ids, 20, seed=3), weights[:20])  # fewer resamples: a prefix


def test_clusters_widen_the_interval():
    """Ten copies of each recording under one patient carry no more information than one."""
    labels, scores, _ = problem(n=200)
    single = [str(i) for i in range(200)]
    low, high = interval(bootstrap_auroc(labels, scores, single, 400)[:, 2])
    copies = (np.repeat(labels, 10, axis=0), np.repeat(scores, 10, axis=0))
    clustered = interval(bootstrap_auroc(*copies, np.repeat(single, 10), 400)[:, 2])
    naive = interval(bootstrap_auroc(*copies, [str(i) for i in range(2000)], 400)[:, 2])
    assert clustered == pytest.approx((low, high), abs=1e-12)
    assert (naive[1] - naive[0]) < 0.5 * (high - low)


def test_interval_covers_the_estimate_at_about_its_level():
    """Normal scores, 300 worlds: the true AUROC lies in the 90 % interval in 84 to 96 % of them."""
    truth, hits = 0.7602499, 0  # Phi(1 / sqrt 2)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        labels = (np.arange(120) % 3 == 0).astype(int)[:, None]
        scores = rng.normal(size=(120, 1)) + labels
        low, high = interval(bootstrap_auroc(labels, scores, np.arange(120), 200, seed), 0.9)
        hits += low <= truth <= high
    assert 0.84 <= hits / 300 <= 0.96


def test_macro_is_the_mean_over_the_classes_of_that_resample():
    labels, scores, ids = problem(n=40, patients=15)
    labels[:, 3] = 0  # never judged
    values = bootstrap_auroc(labels, scores, ids, 300)
    assert np.isnan(values[:, :3]).any() and np.isnan(values[:, 3]).all()
    expected = [np.nanmean(row) if not np.isnan(row).all() else np.nan for row in values]
    np.testing.assert_allclose(bootstrap_macro_auroc(labels, scores, ids, 300), expected, atol=1e-12)
    assert np.isnan(bootstrap_macro_auroc(labels[:, 3:], scores[:, 3:], ids, 5)).all()


def test_a_single_class_with_a_value_is_its_own_mean():
    values = np.array([[np.nan, 0.8], [0.2, 0.4], [np.nan, np.nan]])
    np.testing.assert_array_equal(macro_replicates(values), [0.8, (0.2 + 0.4) / 2, np.nan])


@pytest.mark.parametrize("function", [bootstrap_auroc, bootstrap_average_precision, bootstrap_macro_auroc])
def test_a_thousand_resamples_from_seed_0_unless_asked_otherwise(function):
    labels, scores, ids = problem(n=20)
    np.testing.assert_array_equal(function(labels, scores, ids), function(labels, scores, ids, 1000, 0))
    assert len(function(labels, scores, ids)) == 1000
    np.testing.assert_array_equal(patient_weights(ids), patient_weights(ids, 1000, 0))
    assert patient_weights(["a", "b"], 1).shape == (1, 2)


def test_mean_of_resamples_is_near_the_point_estimate():
    labels, scores, ids = problem(n=400, patients=400)
    values = bootstrap_auroc(labels, scores, ids, 500)
    np.testing.assert_allclose(np.nanmean(values, axis=0), auroc(labels, scores), atol=0.02)


def test_interval_ignores_nan_and_has_percentile_ends():
    assert interval([*range(101), np.nan], 0.9) == pytest.approx((5, 95))
    assert all(np.isnan(interval([np.nan])))
    for level in (0, 1, 1.5, 95):
        with pytest.raises(BenchmarkError, match="level"):
            interval([1.0], level)


def test_memory_stays_bounded():
    labels, scores, ids = problem(n=6000, classes=6, patients=5000)
    tracemalloc.start()
    bootstrap_auroc(labels, scores, ids, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # the weights alone are 24 MB


def test_wrong_input_is_named():
    with pytest.raises(BenchmarkError, match="patient ids"):
        bootstrap_auroc([[0], [1]], [[0.1], [0.2]], ["a"])
    with pytest.raises(BenchmarkError, match="resamples"):
        patient_weights([], 10)
    with pytest.raises(BenchmarkError, match="resamples"):
        patient_weights(["a"], 0)
