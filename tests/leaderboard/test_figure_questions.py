"""Figures of suites that ask one table several questions: a figure shows the one that it names, and mixes none."""

import pytest

from benchmark.leaderboard.figures import calibration, per_class, zero_shot_against_probe
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite

SUITE = """
name = "questions"
title = "Two layers, fractions from the largest on, and conditions last"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["heart_rate", "groups"]
[[tasks]]
name = "regression_probe"
label_sets = ["heart_rate"]
[[tasks]]
name = "linear_probe"
label_sets = ["groups"]
config = { fraction = [1.0, 0.1], layer = ["features", "embeddings"], trials = 3 }
[[tasks]]
name = "linear_probe"
label_sets = ["groups"]
config = { fraction = [1.0, 0.1], trials = 3 }
signal = [
  { perturb = "swap_arms", strength = [0.001, 0.004] },
  { perturb = "white", strength = 0.1 },
  { perturb = "white", strength = 0.1, seed = 1 },
  { leads = [2] },
  { leads = ["V1", "V2"] },
]
[[tasks]]
name = "zero_shot"
label_sets = ["groups"]
signal = [{ perturb = "white", strength = 0.1 }, {}]
[[methods]]
name = "merl"
config = { width = 8, rate = 100.0, embed_dim = 16, text_model = "small" }
[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }
"""
BINS = {"count": [90, 10], "mean_probability": [0.1, 0.9], "share_positive": [0.2, 0.8]}
CONDITIONS = {0.001: 0.01, 0.004: 0.04, 0.1: 0.1}


def value(cell):
    """Each question has a number of its own."""
    signal = cell.spec.signal or {}
    leads = signal.get("leads", ())
    loss = CONDITIONS.get(signal.get("strength"), 0) + 0.02 * signal.get("seed", 0)
    loss += 0.03 * len(leads) + 0.01 * ("V1" in leads)
    if cell.spec.task == "zero_shot":
        return 0.55 - loss
    fraction, layer = cell.question["fraction"], cell.question.get("layer")
    return 0.7 + 0.1 * fraction + 0.05 * (layer == "embeddings") - loss


@pytest.fixture
def board(tmp_path, store, fill):
    (tmp_path / "questions.toml").write_text(SUITE)
    plan = make_plan(load_suite(str(tmp_path / "questions.toml")))
    fill(plan, store, value, analysis={"reliability": BINS})
    return Leaderboard(plan, store)


def test_conditions_that_differ_are_entries_of_their_own(board):
    table = next(table for table in board.tables if table.task == "linear_probe")
    numbers = {column: table.body["merl", column].values for column in table.columns}
    assert all(len(values) == 1 for values in numbers.values())
    assert numbers["100 %, layer features, swap arms 0.1 % of recordings"] == [pytest.approx(0.79)]
    assert numbers["100 %, layer features, swap arms 0.4 % of recordings"] == [pytest.approx(0.76)]
    assert numbers["100 %, layer features, white 0.1 mV rms"] == [pytest.approx(0.7)]
    assert numbers["100 %, layer features, white 0.1 mV rms, seed 1"] == [pytest.approx(0.68)]


def test_zero_shot_stands_against_the_probe_with_the_most_labels_on_recordings_as_they_are(board):
    axis = zero_shot_against_probe.draw(board)["zero_shot_against_probe"].axes[0]
    assert axis.get_xlabel() == "linear probe (macro AUROC)" and axis.get_ylabel() == "zero-shot (macro AUROC)"
    assert axis.collections[0].get_offsets().tolist() == [[pytest.approx(0.8), pytest.approx(0.55)]]


def test_calibration_and_classes_are_those_of_the_largest_fraction_in_one_layer(board):
    table = next(table for table in board.tables if table.task == "linear_probe")
    entries = calibration._entries(table)
    assert set(entries) == {"merl", "random_init"}
    assert all(entry.variant["fraction"] == 1 and entry.variant["layer"] == "features" for entry in entries.values())
    column, _ = per_class._columns(board, table)
    assert column == "100 %, layer features"


def test_a_row_without_the_largest_fraction_is_not_drawn_with_a_smaller_one(tmp_path, store, fill):
    (tmp_path / "questions.toml").write_text(SUITE)
    plan = make_plan(load_suite(str(tmp_path / "questions.toml")))
    fill(plan, store, lambda cell: None if cell.question.get("fraction") == 1 and cell.row == "merl" else value(cell))
    reason = zero_shot_against_probe.draw(Leaderboard(plan, store))
    assert reason == "no method has both linear_probe and zero_shot on one label set"
