"""Rows with several trainings in the tables: their spread, their tests, and notes on rows that were trained once."""

import csv
import io

import numpy as np
import pytest

from benchmark.leaderboard import comparison
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.spreadsheet import spreadsheet
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite

NOISE = np.random.default_rng(0).normal(0, 0.004, 200).astype(np.float32)
OF_TRAINING = {0: -0.03, 1: 0.0, 2: 0.03, None: 0.0}


@pytest.fixture
def plan(tiny_suite):
    tiny_suite.write_text(tiny_suite.read_text("utf-8").replace("epochs = 2", "epochs = 2\nseed = [0, 1, 2]"), "utf-8")
    return make_plan(load_suite(str(tiny_suite)))


def value(cell):
    base = {"merl": 0.84, "handcrafted": 0.8, "random_init": 0.6}[cell.row]
    return base + OF_TRAINING[cell.member] + 0.01 * (cell.question.get("seed") or 0)


def noise(cell):
    return NOISE * (1 if cell.row == "merl" else -1)


def entry_of(board, row, fraction):
    return next(e for e in board.entries if e.row == row and e.variant.get("fraction") == fraction)


def test_a_row_shows_the_mean_and_both_spreads(plan, store, fill):
    fill(plan, store, value, noise)
    entry = entry_of(Leaderboard(plan, store), "merl", 0.1)
    assert entry.mean == pytest.approx(0.845) and entry.trainings == 3 and len(entry.values) == 6
    assert entry.spread == pytest.approx(0.01 / 2**0.5) and entry.training_spread == pytest.approx(0.03)
    text = markdown(Leaderboard(plan, store), [])
    assert "0.845 ±0.007/0.030 [" in text and "0.840 ±–/0.030 [" in text
    assert "behind a slash that over trainings" in text and "variance between trainings" in text


def test_a_difference_within_the_luck_of_a_training_is_not_separated(plan, store, fill):
    fill(plan, store, value, noise)
    several = Leaderboard(plan, store).tables[0].rankings["10 %"]
    assert several.tied == {"merl", "handcrafted"} and several.smallest > 0.04
    once = make_plan(plan.suite.model_copy(update={"methods": [one_training(m) for m in plan.suite.methods]}))
    assert Leaderboard(once, store).tables[0].rankings["10 %"].tied == frozenset()  # a test over patients alone


def one_training(block):
    return block.model_copy(update={"pretrain": {**block.pretrain, "seed": 1}}) if block.pretrain else block


def test_a_missing_member_keeps_the_row_out_of_the_ranking(plan, store, fill):
    fill(plan, store, lambda cell: None if cell.member == 2 and cell.question.get("seed") == 1 else value(cell), noise)
    board = Leaderboard(plan, store)
    assert "(1 of 6 cells absent)" in board.tables[0].text("merl", "10 %")
    assert board.tables[0].rankings["10 %"].best == {"handcrafted"}
    assert entry_of(board, "merl", 0.1).by_source is None


def test_the_spreadsheet_names_every_source(plan, store, fill):
    fill(plan, store, value, noise)
    lines = list(csv.DictReader(io.StringIO(spreadsheet(Leaderboard(plan, store)))))
    merl = next(line for line in lines if line["method"] == "merl" and line["fraction"] == "0.1")
    assert merl["trainings"] == "3" and float(merl["sd_trainings"]) == pytest.approx(0.03, abs=1e-6)
    assert float(merl["sd_subsets"]) == pytest.approx(0.01 / 2**0.5, abs=1e-6) and float(merl["sd_rest"]) < 1e-6
    assert float(merl["sd_patients"]) == pytest.approx(NOISE.std(ddof=1), rel=1e-3)
    assert float(merl["smallest_difference"]) > 0


def test_rows_trained_once_are_named(store, fill, tiny_suite):
    plan = make_plan(load_suite(str(tiny_suite)))
    fill(plan, store, lambda cell: 0.8, noise)
    assert "Trained once: merl." in "\n".join(Leaderboard(plan, store).notes())


def test_rows_of_several_trainings_are_not_named_as_trained_once(plan, store, fill):
    fill(plan, store, value, noise)
    assert "Trained once" not in "\n".join(Leaderboard(plan, store).notes())


def test_a_comparison_says_what_was_trained_how_often(plan, store, fill, tiny_suite):
    """Its interval is over patients and trainings, or holds for one training alone: the reader must know which."""
    fill(plan, store, value, noise)
    board = Leaderboard(plan, store)
    lines = comparison.compare(board, "merl", "handcrafted")
    assert lines[0].trainings == (3, 1)
    text = comparison.markdown(lines, "merl", "handcrafted", comparison.remarks(board))
    assert "over patients and variance between trainings" in text and "Trained once" not in text
    once = make_plan(plan.suite.model_copy(update={"methods": [one_training(m) for m in plan.suite.methods]}))
    board = Leaderboard(once, store)
    text = comparison.markdown(comparison.compare(board, "merl", "handcrafted"), "a", "b", comparison.remarks(board))
    assert "> **Trained once: merl." in text and "variance between trainings" not in text
