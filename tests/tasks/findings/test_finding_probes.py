"""Probes of findings against scikit-learn, where labels are unknown."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmark.errors import BenchmarkError
from benchmark.probes.findings import STRENGTHS, fit_findings
from tests.tasks.findings.small_findings import sparse_data


def test_probes_are_scikit_learns_on_what_is_known():
    train, val = sparse_data(), sparse_data(seed=1)
    probes = fit_findings(train, val)
    mean, std = train[0].mean(axis=0), train[0].std(axis=0)
    strength = probes.choice["strength"]
    aurocs = []
    for place in range(2):
        is_known = ~np.isnan(train[1][:, place])
        other = LogisticRegression(C=strength / 6, tol=1e-10, max_iter=5000)
        other.fit(((train[0] - mean) / std)[is_known], train[1][is_known, place])
        expected = other.decision_function((val[0] - mean) / std)
        assert np.allclose(probes.scores(val[0])[:, place], expected, atol=2e-3)
        judged = ~np.isnan(val[1][:, place])
        aurocs.append(roc_auc_score(val[1][judged, place], expected[judged]))
    assert probes.choice["val_macro_auroc"] == pytest.approx(np.mean(aurocs), abs=2e-3)
    assert [trial["strength"] for trial in probes.trials] == list(STRENGTHS)


def test_an_unknown_label_teaches_nothing_whatever_the_features():
    train, val = sparse_data(), sparse_data(seed=1)
    unknown = np.isnan(train[1]).all(axis=1)
    rest = train[0][~unknown], train[1][~unknown]
    zeros = np.where(np.isnan(train[1]), 0, train[1])
    assert not np.allclose(fit_findings(train, val).weights, fit_findings((train[0], zeros), val).weights, atol=1e-3)
    assert fit_findings(rest, val).weights.shape == (6, 2)


def test_one_sign_in_training_gives_a_constant_and_nothing_to_learn_is_refused():
    train, val = sparse_data(), sparse_data(seed=1)
    train[1][:, 0] = np.where(np.isnan(train[1][:, 0]), np.nan, 1)
    scores = fit_findings(train, val).scores(val[0])
    assert np.ptp(scores[:, 0]) == 0 and np.ptp(scores[:, 1]) > 0
    with pytest.raises(BenchmarkError, match="both signs in training"):
        fit_findings((train[0], np.ones_like(train[1])), val)
    with pytest.raises(BenchmarkError, match="both signs in validation"):
        fit_findings(sparse_data(), (val[0], np.full_like(val[1], np.nan)))
    with pytest.raises(BenchmarkError, match="NaN where they are unknown"):
        fit_findings((train[0], np.where(np.isnan(train[1]), 2, train[1])), val)
