"""Entries of which some records have no number: they are no complete answer, and tables say so."""

import numpy as np
import pytest

from benchmark.leaderboard.presentation import Presentation
from benchmark.leaderboard.tables import Leaderboard
from benchmark.records.record import RunRecord

NOISE = np.random.default_rng(0).normal(0, 0.004, 200).astype(np.float32)


@pytest.fixture
def board(plan, store):
    """A probe of merl that predicts the same number everywhere from one of two subsets has no correlation there."""
    for cell in plan.cells:
        is_constant = cell.row == "merl" and cell.question.get("seed") == 1
        metrics = {"mae": 4.0} if is_constant else {"mae": 4.0, "spearman": 0.9 if cell.row == "merl" else 0.8}
        record = RunRecord(cell.spec.key, cell.spec.to_json(), cell.question, "done", metrics)
        record.primary, record.higher_is_better, record.data_digest, record.n = "mae", False, "d1", {"test": 30}
        record.resampling = {"resamples": 200, "seed": 0, "recordings": "r"}
        store.write(cell.spec, record, resampled=np.float32(4.0) + NOISE)
    return Leaderboard(plan, store, look=Presentation(metric="spearman"))


def test_a_mean_over_the_seeds_that_have_a_number_is_marked_and_takes_no_part(board):
    table = board.tables[0]
    entry = table.body["merl", "10 %"]
    assert len(entry.values) == 1 and entry.undefined == 1 and not entry.complete
    assert "(1 of 2 seeds undefined)" in table.text("merl", "10 %")
    assert table.rankings["10 %"].best == {"handcrafted", "random_init"}
