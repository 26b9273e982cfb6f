"""The metrics equal scikit-learn, with ties; what scikit-learn only warns about is NaN here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

from benchmark.errors import BenchmarkError
from benchmark.metrics.classification import (
    auroc,
    average_precision,
    brier,
    f1_at,
    f1_thresholds,
    macro,
    scorable,
)


@st.composite
def problems(draw, classes=3):
    """Labels and scores with many ties; classes may lack positives or negatives."""
    shape = (draw(st.integers(1, 40)), classes)
    labels = draw(arrays(np.int64, shape, elements=st.integers(0, 1)))
    levels = draw(st.sampled_from([2, 5, 1000]))
    return labels, draw(arrays(np.int64, shape, elements=st.integers(0, levels))) / 7 - 3


def column(metric, labels, scores):
    return [metric(labels[:, c], scores[:, c]) for c in range(labels.shape[1])]


@settings(max_examples=150, deadline=None)
@given(problems())
def test_auroc_and_average_precision_equal_sklearn(problem):
    labels, scores = problem
    areas, precisions = auroc(labels, scores), average_precision(labels, scores)
    for c in range(labels.shape[1]):
        if 0 < labels[:, c].sum() < len(labels):
            assert areas[c] == pytest.approx(roc_auc_score(labels[:, c], scores[:, c]), abs=1e-12)
            assert precisions[c] == pytest.approx(average_precision_score(labels[:, c], scores[:, c]), abs=1e-12)
        else:
            assert np.isnan(areas[c]) and np.isnan(precisions[c])
    np.testing.assert_array_equal(scorable(labels), ~np.isnan(areas))


@settings(max_examples=100, deadline=None)
@given(problems())
def test_thresholds_reach_the_best_f1_of_all_candidates(problem):
    labels, scores = problem
    thresholds = f1_thresholds(labels, scores)
    best_f1 = f1_at(labels, scores, thresholds)
    for c in range(labels.shape[1]):
        y, s = labels[:, c], scores[:, c]
        if not y.any():
            assert thresholds[c] == np.inf and np.isnan(best_f1[c])
            continue
        candidates = np.unique(s)[::-1]
        values = [f1_score(y, s >= t, zero_division=0) for t in candidates]
        assert best_f1[c] == pytest.approx(max(values), abs=1e-12)
        best = [t for t, value in zip(candidates, values, strict=True) if value > max(values) - 1e-12]
        assert thresholds[c] == best[0]  # the highest of equally good ones


@settings(max_examples=60, deadline=None)
@given(problems(), st.floats(-3, 3))
def test_f1_at_equals_sklearn_at_any_threshold(problem, threshold):
    labels, scores = problem
    f1 = f1_at(labels, scores, np.full(3, threshold))
    for c in range(3):
        if labels[:, c].any():
            expected = f1_score(labels[:, c], scores[:, c] >= threshold, zero_division=0)
            assert f1[c] == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(f1[c])


def test_brier_equals_sklearn_and_is_defined_for_every_class():
    rng = np.random.default_rng(0)
    labels, chances = rng.integers(0, 2, (50, 3)), rng.random((50, 3))
    np.testing.assert_allclose(brier(labels, chances), column(brier_score_loss, labels, chances), atol=1e-12)
    assert brier([[1], [1]], [[0.5], [1.0]])[0] == pytest.approx(0.125)
    assert brier([[0], [1]], [[0.0], [1.0]])[0] == 0
    with pytest.raises(BenchmarkError, match="probabilities"):
        brier([[1], [0]], [[1.5], [0.0]])


def test_known_values():
    labels, scores = np.array([[0], [0], [1], [1]]), np.array([[0.1], [0.4], [0.35], [0.8]])
    assert auroc(labels, scores)[0] == 0.75  # the example of scikit-learn's documentation
    assert average_precision(labels, scores)[0] == pytest.approx(0.8333333333333333, abs=1e-15)
    assert f1_thresholds(labels, scores)[0] == 0.35
    assert auroc(labels, np.zeros((4, 1)))[0] == 0.5


def test_of_two_equally_good_thresholds_the_higher_one_is_chosen():
    labels, scores = [[1], [0], [0], [1]], [[4], [3], [2], [1]]  # F1 is 2/3 at 4 and at 1
    assert f1_thresholds(labels, scores)[0] == 4


def test_large_problem_equals_sklearn():
    rng = np.random.default_rng(1)
    labels = rng.random((3000, 8)) < np.geomspace(0.002, 0.9, 8)
    scores = (rng.normal(size=(3000, 8)) + labels).round(2)
    np.testing.assert_allclose(auroc(labels, scores), column(roc_auc_score, labels, scores), atol=1e-12)
    expected = column(average_precision_score, labels, scores)
    np.testing.assert_allclose(average_precision(labels, scores), expected, atol=1e-12)


def test_thresholds_of_one_split_apply_to_another():
    threshold = f1_thresholds([[0], [1]], [[0.2], [0.6]])
    assert f1_at([[1], [1], [0]], [[0.6], [0.5], [0.1]], threshold)[0] == pytest.approx(2 / 3)


def test_macro_leaves_out_nan():
    assert macro([0.5, np.nan, 1.0]) == 0.75
    assert np.isnan(macro([np.nan])) and np.isnan(macro([]))


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([[0], [2]], [[0.1], [0.2]], "0 or 1"),
        ([[0.5], [1]], [[0.1], [0.2]], "0 or 1"),
        ([[0], [1]], [[0.1], [np.nan]], "not finite"),
        ([[0], [1]], [[0.1], [np.inf]], "not finite"),
        ([[0], [1]], [[0.1, 0.2], [0.3, 0.4]], "shape"),
        ([0, 1], [0.1, 0.2], "recording, class"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "not empty"),
    ],
)
def test_wrong_input_is_named(labels, scores, message):
    for metric in (auroc, average_precision, f1_thresholds, brier):
        with pytest.raises(BenchmarkError, match=message):
            metric(labels, scores)


def test_one_threshold_per_class():
    with pytest.raises(BenchmarkError, match="one per class"):
        f1_at([[0, 1], [1, 0]], [[0.1, 0.2], [0.3, 0.4]], [0.5])
    with pytest.raises(BenchmarkError, match="one per class"):
        f1_at([[0, 1], [1, 0]], [[0.1, 0.2], [0.3, 0.4]], [0.5, np.nan])


def test_wrong_classes_are_named_by_their_column():
    labels, scores = np.zeros((3, 4), int), np.zeros((3, 4))
    labels[0, 2] = 2
    with pytest.raises(BenchmarkError, match=r"\[2\]"):
        auroc(labels, scores)
    labels[0, 2], scores[0, 3] = 1, np.nan
    with pytest.raises(BenchmarkError, match=r"\[3\]"):
        auroc(labels, scores)
