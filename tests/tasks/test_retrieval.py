"""Retrieval: duplicates count correctly, the task cannot see the pairs, a constant similarity is at chance."""

import numpy as np
import pytest
import torch

from benchmark.api import Predictions, Truth
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.reports.report_texts import report_key
from benchmark.data.store.preparation import open_dataset
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.method_handle import MethodHandle
from benchmark.errors import BenchmarkError
from benchmark.registry import METHODS
from benchmark.testing import FakeMethod
from tasks.retrieval import Retrieval


def truth(reports):
    ids = [str(i) for i in range(len(reports))]
    return Truth(ids, ids, np.zeros((len(reports), 1), int), ("a",), reports)


def score(similarity, reports):
    return Retrieval().score(
        Predictions({}, scratch={"similarity": np.asarray(similarity, np.float32)}), truth(reports)
    )


def perfect_similarity(reports):
    """Return the similarity of a method that knows every pair; columns are the sorted different texts."""
    keys = [report_key(report) for report in reports]
    texts = sorted({key for key in keys if key})
    return np.array([[float(key == text) for text in texts] for key in keys])


COMMON = ["sinus rhythm"] * 30 + ["Sinus  rhythm"] * 10  # one text: case and blanks do not matter
REPORTS = [*COMMON, *(f"finding {i}" for i in range(20))]


def test_a_method_that_knows_all_pairs_is_perfect_with_repeated_reports():
    scores = score(perfect_similarity(REPORTS), REPORTS)
    assert {scores.metrics[name] for name in scores.metrics if "recall" in name} == {1.0}
    assert scores.metrics["median_rank_report"] == scores.metrics["median_rank_ecg"] == 1
    assert scores.analysis["retrieval"] == {"recordings": 60, "texts": 21, "most_shared": 40}


def test_a_common_report_gains_nothing():
    """With the common text first for every recording, 40 of 60 are right, and the rest are at chance.

    In the direction from texts each text is one query, and there the common one is one of 21.
    """
    similarity = np.zeros((60, 21))
    similarity[:, -1] = 1.0  # "sinus rhythm" is last in the alphabet
    scores = score(similarity, REPORTS)
    assert scores.metrics["recall_at_1_report"] == pytest.approx(40 / 60)
    chance = scores.analysis["chance"]
    assert scores.metrics["recall_at_1_ecg"] == pytest.approx(chance["recall_at_1_ecg"], abs=1e-6)
    assert chance["recall_at_1_ecg"] == pytest.approx((40 / 60 + 20 / 60) / 21, abs=1e-6)


def test_more_copies_do_not_change_other_ranks():
    """In the direction to reports a text fills one place, no matter how many recordings share it."""
    rng = np.random.default_rng(0)
    similarity = rng.normal(size=(21, 21))
    reports = [*sorted(f"finding {i}" for i in range(20)), "sinus rhythm"]
    once = score(similarity, reports)
    many = score(np.concatenate([similarity, similarity[[20] * 50]]), [*reports, *["sinus rhythm"] * 50])
    before, after = once.per_recording["rank_of_report"], many.per_recording["rank_of_report"]
    assert np.array_equal(before, after[:21]) and len(set(after[20:])) == 1
    # as a query for recordings, any copy is right for the shared text: equal copies do not change its rank
    assert many.per_recording["rank_of_ecg"][20] == once.per_recording["rank_of_ecg"][20]


def test_a_constant_method_is_at_chance():
    scores = score(np.zeros((60, 21)), REPORTS)
    for name, level in scores.analysis["chance"].items():
        if "recall" in name:
            assert scores.metrics[name] == pytest.approx(level, abs=1e-6)


def test_intervals_and_resamples_go_with_the_metrics():
    rng = np.random.default_rng(1)
    scores = score(perfect_similarity(REPORTS) + 0.7 * rng.normal(size=(60, 21)), REPORTS)
    assert set(scores.intervals) == set(scores.metrics)
    low, high = scores.intervals["recall_at_10"]
    assert low < scores.metrics["recall_at_10"] <= high and len(scores.resampled) == 1000


def test_recordings_without_a_report_are_left_out_and_counted():
    reports = ["a", "", "b"]
    scores = score([[1, 0], [9, 9], [0, 1]], reports)
    assert scores.metrics["recall_at_1_report"] == 1 and "1 recordings of test have no report" in scores.notes[0]
    assert np.isnan(scores.per_recording["rank_of_report"][1])
    with pytest.raises(BenchmarkError, match="nothing to retrieve"):
        score(np.zeros((1, 0)), [""])
    with pytest.raises(BenchmarkError, match=r"similarity of \(3, 3\)"):
        score(np.zeros((3, 3)), reports)


class Fake(FakeMethod):
    pass


@pytest.fixture
def world(prepared_home, monkeypatch):
    monkeypatch.setitem(METHODS._classes, "fake", Fake)
    return open_dataset("synthetic", {"patients": 120}, prepared_home), prepared_home


def predict(data, home):
    view = LabelledRows.of(data, "groups", None)
    handle = MethodHandle("fake", {}, 1, None, None, "cpu")
    context = CellContext(CellInputs(data, view, handle, "synthetic", "groups", home))
    return Retrieval().predict(context), view.truth(data), context


def test_the_task_does_not_see_which_recording_a_report_belongs_to(world):
    """With the reports of test in another order, the predictions are the same bit by bit; the score is not."""
    data, home = world
    honest, right, context = predict(data, home)
    rows = context._rows.rows["test"]
    data.reports = data.reports.copy()
    data.reports[rows] = data.reports[rows[::-1]]
    shuffled, other, _ = predict(data, home)
    assert list(other.reports) == list(right.reports)[::-1] != list(right.reports)
    assert np.array_equal(honest.scratch["similarity"], shuffled.scratch["similarity"])
    assert honest.details == shuffled.details
    task = Retrieval()
    assert task.score(honest, right).metrics != task.score(shuffled, other).metrics


def test_the_methods_own_similarity_is_used(world, monkeypatch):
    data, home = world
    monkeypatch.setattr(
        Fake, "similarity", lambda self, ecg, text: torch.full((len(ecg), len(text)), 7.0), raising=False
    )
    assert (predict(data, home)[0].scratch["similarity"] == 7).all()
