"""The batched solver reaches scikit-learn's minimum; hard cases are n < d, collinear, separable and rare labels."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from benchmark.errors import BenchmarkError
from benchmark.probes import logistic
from benchmark.probes.logistic import ProbeBasis, Standardiser


def data(n, dim, prevalences, seed=0, decay=1.0, separable=False):
    """Correlated features, standardised, and labels that follow them."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, dim + 1) ** -decay
    X = (rng.normal(size=(n, dim)) * np.sqrt(spectrum)) @ rng.normal(size=(dim, dim))
    X = Standardiser.fit(X)(X)
    logits = X @ rng.normal(size=(dim, len(prevalences))) / np.sqrt(dim)
    logits += 0 if separable else rng.logistic(size=logits.shape)
    counts = np.maximum(2, np.round(np.array(prevalences) * n).astype(int))
    Y = np.column_stack([logits[:, c] >= np.sort(logits[:, c])[-k] for c, k in enumerate(counts)])
    return X, Y.astype(int)


def objective(X, y, c, balanced, weights, intercept):
    """scikit-learn's objective, in float64 and plain numpy."""
    n, positives = len(y), y.sum()
    shares = np.where(y > 0, n / (2 * positives), n / (2 * (n - positives))) if balanced else np.ones(n)
    margins = np.where(y > 0, 1, -1) * (X.astype(float) @ weights.astype(float) + intercept)
    return (shares * np.logaddexp(0, -margins)).sum() + (weights.astype(float) ** 2).sum() / (2 * c)


def reference(X, y, c, balanced):
    model = LogisticRegression(
        C=c, class_weight="balanced" if balanced else None, tol=1e-9, max_iter=5000, solver="lbfgs"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X.astype(float), y)
    return model.coef_[0], model.intercept_[0]


CASES = {
    "tall": {"n": 800, "dim": 40, "prevalences": [0.3, 0.05, 0.9]},
    "wide": {"n": 90, "dim": 200, "prevalences": [0.3, 0.1]},
    "collinear": {"n": 400, "dim": 30, "prevalences": [0.4, 0.1], "decay": 6.0},
    "separable": {"n": 300, "dim": 20, "prevalences": [0.5, 0.1], "separable": True},
    "rare": {"n": 2000, "dim": 30, "prevalences": [0.005, 0.02]},
    "two features": {"n": 100, "dim": 2, "prevalences": [0.3]},
}


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_equals_sklearn_in_loss_and_auroc(case, balanced):
    X, Y = data(**CASES[case])
    if case == "collinear":
        X = np.hstack([X, X[:, :5], np.zeros((len(X), 2), dtype=X.dtype)])
    cs = [1e-4, 1e-2, 1.0, 100.0]
    solution = ProbeBasis(X).solve(Y, cs, [balanced] * 4)
    scores = solution.scores(X)
    assert solution.converged.all()
    for p, c in enumerate(cs):
        for k in range(Y.shape[1]):
            weights, intercept = reference(X, Y[:, k], c, balanced)
            best = objective(X, Y[:, k], c, balanced, weights, intercept)
            loss = objective(X, Y[:, k], c, balanced, solution.weights[p, :, k], solution.intercepts[p, k])
            assert loss == pytest.approx(best, rel=1e-6)
            assert solution.loss[p, k] == pytest.approx(loss, rel=1e-5)
            expected = roc_auc_score(Y[:, k], X.astype(float) @ weights)
            one_pair = 1 / (Y[:, k].sum() * (1 - Y[:, k]).sum())  # of near-equal scores may swap
            assert roc_auc_score(Y[:, k], scores[p, :, k]) == pytest.approx(expected, abs=max(1e-4, one_pair))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(8, 80),
    dim=st.integers(1, 60),
    c=st.floats(1e-4, 100),
    balanced=st.booleans(),
    decay=st.floats(0, 3),
)
def test_no_optimiser_of_scipy_finds_a_lower_loss(seed, n, dim, c, balanced, decay):
    X, Y = data(n, dim, [0.3], seed, decay)
    solution = ProbeBasis(X).solve(Y, [c], [balanced])
    assert solution.converged.all()
    start = np.append(solution.weights[0, :, 0], solution.intercepts[0, 0]).astype(float)

    def loss(point):
        return objective(X, Y[:, 0], c, balanced, point[:-1], point[-1])

    for point in (start, np.zeros(dim + 1)):
        assert loss(start) <= minimize(loss, point, method="L-BFGS-B").fun * (1 + 1e-6)


def test_a_batch_equals_its_settings_one_by_one():
    X, Y = data(300, 50, [0.3, 0.05])
    basis, cs, balanced = ProbeBasis(X), [1e-3, 0.1, 10.0], [True, False, True]
    batch = basis.solve(Y, cs, balanced)
    for p in range(3):
        alone = basis.solve(Y, cs[p : p + 1], balanced[p : p + 1])
        np.testing.assert_allclose(batch.pick(p).scores(X), alone.scores(X), atol=2e-3)
        np.testing.assert_allclose(batch.loss[p], alone.loss[0], rtol=1e-6)


def test_small_blocks_of_columns_give_the_same(monkeypatch):
    X, Y = data(200, 10, [0.1, 0.2, 0.3, 0.4, 0.5])
    whole = ProbeBasis(X).solve(Y, [0.1, 1.0], [False, True])
    monkeypatch.setattr(logistic, "CELLS", 1)
    blocks = ProbeBasis(X).solve(Y, [0.1, 1.0], [False, True])
    np.testing.assert_allclose(blocks.loss, whole.loss, rtol=1e-6)
    np.testing.assert_allclose(blocks.weights, whole.weights, atol=1e-3)


def test_features_need_not_be_centred():
    X, Y = data(300, 12, [0.3])
    shifted = (X * np.geomspace(0.1, 10, 12) + np.linspace(-50, 50, 12)).astype(np.float32)
    solution = ProbeBasis(shifted).solve(Y, [1.0], [False])
    weights, intercept = reference(shifted - shifted.mean(axis=0), Y[:, 0], 1.0, False)
    best = objective(shifted - shifted.mean(axis=0), Y[:, 0], 1.0, False, weights, intercept)
    loss = objective(shifted, Y[:, 0], 1.0, False, solution.weights[0, :, 0], solution.intercepts[0, 0])
    assert loss == pytest.approx(best, rel=1e-6)


def test_labels_with_one_outcome_get_a_documented_constant():
    X, Y = data(60, 5, [0.3, 0.3, 0.3])
    Y[:, 1], Y[:, 2] = 0, 1
    solution = ProbeBasis(X).solve(Y, [1.0, 0.1], [False, True])
    assert not solution.weights[:, :, 1:].any() and solution.weights[:, :, 0].any()
    np.testing.assert_allclose(solution.intercepts[:, 1:], [[np.log(0.5 / 60.5), np.log(60.5 / 0.5)]] * 2)
    assert solution.converged.all() and not solution.iterations[:, 1:].any()


def test_constant_features_leave_only_the_intercept():
    solution = ProbeBasis(np.ones((40, 3))).solve(np.arange(40)[:, None] < 10, [1.0], [False])
    assert np.abs(solution.weights).max() < 1e-6
    assert solution.intercepts[0, 0] == pytest.approx(np.log(10 / 30), abs=1e-5)


def test_running_out_of_iterations_is_flagged():
    X, Y = data(200, 50, [0.3])
    solution = ProbeBasis(X).solve(Y, [1e-6, 100.0], [False, False], limit=2)
    assert solution.converged[:, 0].tolist() == [True, False]
    assert solution.iterations[1, 0] == 2 and solution.gradient_norm[1, 0] > solution.gradient_norm[0, 0]


def test_standardiser_equals_sklearn_and_spares_constant_features():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(50, 4)) * [1, 10, 0.1, 1] + [0, 100, 0, 0]).astype(np.float32)
    standardiser = Standardiser.fit(X)
    np.testing.assert_allclose(standardiser(X), StandardScaler().fit_transform(X.astype(float)), atol=2e-4)
    X[:, 3] = 0.1
    standardiser = Standardiser.fit(X)
    assert standardiser.std[3] == 1 and np.abs(standardiser(X)[:, 3]).max() < 1e-6
    assert standardiser(X).dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_named(bad):
    X = np.zeros((10, 6))
    X[[2, 7], 4] = bad
    X[7, 5] = np.nan
    for use in (ProbeBasis, Standardiser.fit, Standardiser(np.zeros(6), np.ones(6))):
        with pytest.raises(BenchmarkError, match=r"2 of 10 rows; columns \[4, 5\]"):
            use(X)


@pytest.mark.parametrize(
    ("Y", "cs", "balanced", "message"),
    [
        (np.zeros((9, 2)), [1.0], [False], "n = 10"),
        (np.full((10, 2), 2), [1.0], [False], "0 or 1"),
        (np.zeros((10, 2)), [1.0, 2.0], [False], r"\(P,\)"),
        (np.zeros((10, 2)), [0.0], [False], "positive and finite"),
        (np.zeros((10, 2)), [np.inf], [False], "positive and finite"),
    ],
)
def test_wrong_input_is_named(Y, cs, balanced, message):
    with pytest.raises(BenchmarkError, match=message):
        ProbeBasis(np.random.default_rng(0).normal(size=(10, 3))).solve(Y, cs, balanced)


def test_scores_want_the_same_features():
    X, Y = data(50, 5, [0.3])
    solution = ProbeBasis(X).solve(Y, [1.0], [False])
    assert solution.scores(X[:7]).shape == (1, 7, 1)
    with pytest.raises(BenchmarkError, match="expected 5 features"):
        solution.scores(X[:, :4])
