"""Leads of findings: a probe that looks at the named lead, and features without a lead."""

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from benchmark.metrics.lead_scoring import score_leads
from benchmark.probes.rotations import rotations_of
from tests.tasks.findings.small_findings import contexts, truth_of


def test_a_probe_that_looks_at_the_named_lead_is_told_from_one_that_does_not():
    n = 60
    labels = np.tile([[1.0, np.nan], [0.0, np.nan]], (n // 2, 1))
    leads = np.zeros((n, 2, 12), bool)
    leads[::2, 0, 6:9] = True
    scores = np.stack([labels[:, 0], np.zeros(n)], axis=1)
    looking = np.repeat(scores[:, None], 12, axis=1)
    looking[::2, 6:9, 0] -= 1
    truth = truth_of(labels, leads=leads)
    result = score_leads(truth, scores, looking)
    assert result.metrics["auroc_leads"] == 1 and result.metrics["lead_difference"] == pytest.approx(1 / 0.5)
    assert result.metrics["lead_difference_absent"] == 0 and result.per_class["a"]["recordings"] == n // 2
    elsewhere = score_leads(truth, scores, np.repeat(scores[:, None], 12, axis=1) - 1)
    assert elsewhere.metrics["lead_difference"] == pytest.approx(0) and elsewhere.metrics["auroc_leads"] == 0.5
    assert not score_leads(truth_of(labels, leads=leads & False), scores, looking).metrics
    with pytest.raises(BenchmarkError, match="names no leads"):
        score_leads(truth_of(labels), scores, looking)


def test_hiding_a_lead_changes_what_the_method_reads_and_only_there(world):
    [cell, _] = contexts(world, rotations_of("held_out"))
    whole = cell.features("test")
    without = {lead: cell.features_without(lead, "test") for lead in ("V1", "II")}
    assert whole.shape == without["V1"].shape and not np.array_equal(whole, without["V1"])
    assert not np.array_equal(without["V1"], without["II"])
