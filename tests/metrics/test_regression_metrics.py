"""Metrics of numbers against scikit-learn and scipy, on the whole test split and on resamples of its patients."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from benchmark.api import Target, Truth
from benchmark.errors import BenchmarkError
from benchmark.metrics.number_scoring import score_numbers
from benchmark.metrics.ranges import range_of
from benchmark.metrics.regression import METRICS, bootstrap, score
from benchmark.metrics.statistics import patient_weights


def numbers(n=300, seed=0, ties=True):
    """Values and predictions with ties, and a patient per one to three recordings."""
    random = np.random.default_rng(seed)
    values = random.normal(1000, 15, n)
    predictions = values + random.normal(0, 10, n)
    patients = np.array([f"p{i}" for i in random.integers(0, n // 2, n)])
    return (values.round(), predictions.round(), patients) if ties else (values, predictions, patients)


def by_libraries(values, predictions):
    return {
        "mae": mean_absolute_error(values, predictions),
        "r2": r2_score(values, predictions),
        "spearman": spearmanr(values, predictions).statistic,
    }


@pytest.mark.parametrize("ties", [True, False])
def test_metrics_equal_those_of_scikit_learn_and_scipy(ties):
    values, predictions, _ = numbers(ties=ties)
    assert score(values, predictions) == pytest.approx(by_libraries(values, predictions), abs=1e-12)


def test_resamples_equal_metrics_of_repeated_recordings():
    values, predictions, patients = numbers(120)
    weights = patient_weights(patients, 25, 3)
    replicates = bootstrap(values, predictions, weights)
    for row, counts in enumerate(weights):
        rows = np.repeat(np.arange(120), counts)
        expected = by_libraries(values[rows], predictions[rows])
        assert {name: replicates[name][row] for name in METRICS} == pytest.approx(expected, abs=1e-9)


def test_resamples_do_not_depend_on_the_size_of_chunks(monkeypatch):
    values, predictions, patients = numbers(150)
    weights = patient_weights(patients, 40, 0)
    whole = bootstrap(values, predictions, weights)
    monkeypatch.setattr("benchmark.metrics.regression.CHUNK", 400)
    parts = bootstrap(values, predictions, weights)
    assert all(np.allclose(whole[name], parts[name], rtol=0, atol=1e-12) for name in METRICS)


def test_a_large_offset_costs_no_digits():
    values, predictions, _ = numbers(ties=False)
    near = score(values - 1000, predictions - 1000)
    assert score(values + 1e7, predictions + 1e7) == pytest.approx(near, abs=1e-5)


@pytest.mark.parametrize(
    ("values", "predictions", "undefined"),
    [([3, 3, 3], [1, 2, 3], {"r2", "spearman"}), ([1, 2, 3], [2, 2, 2], {"spearman"}), ([5], [4], {"r2", "spearman"})],
)
def test_what_a_constant_leaves_undefined_is_nan(values, predictions, undefined):
    result = score(values, predictions)
    assert {name for name in METRICS if np.isnan(result[name])} == undefined


@pytest.mark.parametrize(
    ("values", "predictions"), [([1, np.nan], [1, 2]), ([1, 2], [1, np.inf]), ([1, 2], [1]), ([], []), ([[1]], [[1]])]
)
def test_bad_numbers_are_refused(values, predictions):
    with pytest.raises(BenchmarkError):
        score(values, predictions)


def truth(values, patients, **more):
    names = [f"r{i}" for i in range(len(values))]
    labels = np.zeros((len(values), 0))
    target = Target("years", 0, 2000)
    return Truth(
        names, list(patients), labels, (), [""] * len(values), label_set="d/age", target=target, values=values, **more
    )


def test_a_score_has_intervals_resamples_its_unit_and_subgroups():
    values, predictions, patients = numbers()
    groups = {"sex": np.array(["female", "male"] * 150), "device": np.array(["rare"] * 5 + [""] * 295)}
    result = score_numbers(truth(values, patients, groups=groups), predictions)
    assert result.metrics == pytest.approx(by_libraries(values, predictions))
    for name in METRICS:
        low, high = result.intervals[name]
        assert low < result.metrics[name] < high
    assert result.resampled.shape == (1000,) and result.resampling["unit"] == "patient"
    assert result.analysis["unit"] == "years" and "MAE in years, lower is better" in result.notes
    women = slice(0, None, 2)
    assert result.subgroups["sex"]["female"]["mae"] == pytest.approx(abs(values - predictions)[women].mean(), abs=1e-6)
    assert result.subgroups["device"]["rare"]["reason"] == "fewer than 30 recordings"


def test_one_patient_gives_a_number_without_an_interval():
    values, predictions, _ = numbers(20)
    result = score_numbers(truth(values, ["p"] * 20), predictions)
    assert set(result.metrics) == set(METRICS) and not result.intervals and result.resampled is None
    assert any("of one patient" in note for note in result.notes)


def test_a_constant_truth_has_an_error_and_reasons_for_the_rest():
    result = score_numbers(truth(np.full(6, 3.0), list("abcdef")), np.arange(6.0))
    assert set(result.metrics) == {"mae"} == set(result.intervals)
    assert [note.split(":")[0] for note in result.notes[1:]] == ["no r2", "no spearman"]


def test_classes_are_no_numbers():
    with pytest.raises(BenchmarkError, match="has no numbers"):
        score_numbers(Truth(["r"], ["p"], np.ones((1, 1)), ("c",), [""], label_set="d/super"), np.ones(1))


def test_metrics_of_numbers_have_their_ranges():
    assert range_of("mae")[0] <= 0 < 1e6 < range_of("mae")[1]
    assert range_of("r2")[0] < -100 and range_of("r2")[1] == pytest.approx(1, abs=1e-5)
    assert range_of("spearman") == pytest.approx((-1, 1), abs=1e-5)
