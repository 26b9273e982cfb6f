"""k-NN and ridge against scikit-learn, all settings at once."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from benchmark.errors import BenchmarkError
from benchmark.probes import knn
from benchmark.probes.knn import TEMPERATURE, knn_scores
from benchmark.probes.logistic import ProbeBasis
from benchmark.probes.ridge import ridge_scores


def data(n, dim, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, dim)) * np.geomspace(0.1, 10, dim) + 3
    return X.astype(np.float32), (X[:, :4] + rng.normal(size=(n, 4)) > 3).astype(int)


@pytest.mark.parametrize(("n", "dim"), [(300, 20), (40, 90)])
def test_ridge_equals_sklearn_for_every_penalty(n, dim):
    (X, Y), (new, _) = data(n, dim), data(50, dim, 1)
    penalties = np.geomspace(1e-1, 1e4, 6)
    results = ridge_scores(ProbeBasis(X), Y, penalties, new)
    for penalty, scores in zip(penalties, results, strict=True):
        expected = Ridge(alpha=penalty).fit(X.astype(float), Y).predict(new.astype(float))
        np.testing.assert_allclose(scores, expected, atol=2e-3)
    with pytest.raises(BenchmarkError, match="positive"):
        ridge_scores(ProbeBasis(X), Y, [0.0], new)
    with pytest.raises(BenchmarkError, match="n = "):
        ridge_scores(ProbeBasis(X), Y[1:], [1.0], new)


def test_neighbours_equal_sklearn_for_every_k(monkeypatch):
    (X, Y), (new, _) = data(80, 10), data(30, 10, 1)
    ks = [7, 1, 200, 20]
    results = knn_scores(X, Y, new, ks, (False, True))
    distance, nearest = NearestNeighbors(metric="cosine", n_neighbors=80).fit(X).kneighbors(new)
    for row, weights in enumerate((np.ones_like(distance), np.exp(-distance / TEMPERATURE))):
        for column, k in enumerate(ks):
            w = weights[:, :k, None]
            expected = (w * Y[nearest[:, :k]]).sum(1) / w.sum(1)
            np.testing.assert_allclose(results[row, column], expected, atol=1e-4)
    monkeypatch.setattr(knn, "CELLS", 1)
    np.testing.assert_allclose(knn_scores(X, Y, new, ks, (False, True)), results, atol=1e-6)


def test_wrong_input_is_named():
    X, Y = data(20, 5)
    for wrong, message in (
        ((X, Y[1:], X, [1]), "n = 20"),
        ((X, Y, X[:, 1:], [1]), "expected 5"),
        ((X, Y, X, [0]), "at least 1"),
    ):
        with pytest.raises(BenchmarkError, match=message):
            knn_scores(*wrong)
