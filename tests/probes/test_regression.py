"""The regression of a number: scikit-learn's ridge, a penalty by validation, and what bad numbers do."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from benchmark.errors import BenchmarkError
from benchmark.probes.regression import PENALTIES, regress


def splits(n=200, dim=12, seed=0):
    random = np.random.default_rng(seed)
    weights = random.normal(size=dim)
    X = [(random.normal(size=(size, dim)) * np.arange(1, dim + 1)).astype(np.float32) for size in (n, 80, 60)]
    return [(part, part @ weights + 70 + random.normal(0, 20, len(part))) for part in X]


@pytest.mark.parametrize(("n", "dim"), [(200, 12), (15, 40)])
def test_it_is_scikit_learns_ridge_under_the_best_penalty_of_validation(n, dim):
    train, val, test = splits(n, dim)
    mean, std = train[0].mean(axis=0), train[0].std(axis=0)
    fits = [Ridge(alpha=share * n, solver="svd").fit((train[0] - mean) / std, train[1]) for share in PENALTIES]
    errors = [np.abs(fit.predict((val[0] - mean) / std) - val[1]).mean() for fit in fits]
    result = regress(train, val, test[0])
    assert [trial["val_mae"] for trial in result.trials] == pytest.approx(errors, rel=1e-4)
    best = int(np.argmin(errors))
    assert result.choice["number"] == best and result.choice["penalty"] == pytest.approx(PENALTIES[best] * n)
    assert np.allclose(result.predictions, fits[best].predict((test[0] - mean) / std), rtol=1e-3)


def test_a_constant_feature_gives_the_training_mean():
    train, val, test = ((np.zeros((len(part), 1), np.float32), values) for part, values in splits())
    assert np.allclose(regress(train, val, test[0]).predictions, train[1].mean())


def test_a_constant_number_is_predicted_as_it_is_by_the_strongest_penalty():
    train, val, test = splits()
    result = regress((train[0], np.full(len(train[0]), 7.0)), (val[0], np.full(len(val[0]), 7.0)), test[0])
    assert np.allclose(result.predictions, 7) and result.choice["number"] == 0 and result.choice["at_edge"]


def test_a_single_training_recording_is_its_own_mean():
    train, val, test = splits()
    result = regress((train[0][:1], train[1][:1]), val, test[0])
    assert np.allclose(result.predictions, train[1][0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["training", "validation"])
def test_a_missing_or_infinite_number_is_refused_by_its_split(bad, where):
    train, val, test = splits()
    (train if where == "training" else val)[1][3] = bad
    with pytest.raises(BenchmarkError, match=f"{where} has numbers that are missing or infinite"):
        regress(train, val, test[0])


def test_no_numbers_at_all_are_refused():
    train, val, test = splits()
    with pytest.raises(BenchmarkError, match="training has no numbers"):
        regress((train[0][:0], train[1][:0]), val, test[0])
