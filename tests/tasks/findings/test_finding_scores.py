"""Scores of findings against scikit-learn, by finding and kind, with intervals over patients."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.errors import BenchmarkError
from benchmark.metrics.finding_scoring import LEAST, score_findings
from tests.tasks.findings.small_findings import CLASSES, sparse_data, truth_of


def test_scores_are_scikit_learns_on_what_is_known_by_finding_and_kind():
    labels, scores = sparse_data()[1], np.random.default_rng(2).normal(size=(160, 2))
    result = score_findings(truth_of(labels), scores)
    expected = []
    for place in range(2):
        is_known = ~np.isnan(labels[:, place])
        expected.append(roc_auc_score(labels[is_known, place], scores[is_known, place]))
        entry = result.per_class[CLASSES[place]]
        assert (
            entry["auroc"] == pytest.approx(expected[-1]) and entry["positives"] + entry["negatives"] == is_known.sum()
        )
        assert entry["auroc_interval"][0] < entry["auroc"] < entry["auroc_interval"][1]
    assert result.metrics["auroc_macro"] == pytest.approx(np.mean(expected))
    assert (result.metrics["auroc_rhythm"], result.metrics["auroc_axis"]) == pytest.approx(expected)
    low, high = result.intervals["auroc_macro"]
    assert low < result.metrics["auroc_macro"] < high and len(result.resampled) == 1000


def test_intervals_draw_patients_as_those_of_other_tasks_do():
    from benchmark.metrics.statistics import bootstrap_auroc

    labels, scores = np.nan_to_num(sparse_data()[1]), np.random.default_rng(2).normal(size=(160, 2))
    patients = [str(row // 3) for row in range(160)]
    result = score_findings(truth_of(labels, patients), scores)
    assert np.allclose(result.resampled, bootstrap_auroc(labels, scores, patients).mean(axis=1))


def test_few_of_a_sign_are_not_scored_and_one_patient_gives_no_interval():
    labels = sparse_data()[1]
    few = np.flatnonzero(labels[:, 0] == 1)[LEAST - 1 :]
    labels[few, 0] = np.nan
    result = score_findings(truth_of(labels), np.zeros((160, 2)))
    assert result.per_class["a"]["auroc"] is None and "fewer than 10 positives" in result.per_class["a"]["reason"]
    assert set(result.metrics) == {"auroc_macro", "auroc_axis"} and "1 of 2 findings are not scored" in result.notes[0]
    lone = score_findings(truth_of(labels, ["p"] * 160), np.zeros((160, 2)))
    assert lone.metrics["auroc_macro"] == 0.5 and not lone.intervals and "one patient" in lone.notes[-1]
    empty = score_findings(truth_of(np.full((160, 2), np.nan)), np.zeros((160, 2)))
    assert not empty.metrics and empty.notes
    with pytest.raises(BenchmarkError, match="finite"):
        score_findings(truth_of(labels), np.full((160, 2), np.inf))
