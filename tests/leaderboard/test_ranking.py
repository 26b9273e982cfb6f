"""Marks: the best, the second, and whoever the paired bootstrap cannot tell from the best."""

import numpy as np
import pytest
from scipy.stats import norm

from benchmark.leaderboard.comparison import compare
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.overall import overall
from benchmark.leaderboard.tables import Leaderboard
from benchmark.metrics.few_patients import NO_TEST
from benchmark.metrics.paired import Sample, holm, paired_difference

SHARED = np.random.default_rng(0).normal(0, 0.02, 200).astype(np.float32)  # what all methods find hard alike
OWN = np.random.default_rng(1).normal(0, 0.004, (3, 200)).astype(np.float32)
ROWS = ("random_init", "handcrafted", "merl")
VALUES = {"random_init": 0.6, "handcrafted": 0.798, "merl": 0.8}


def noise(cell):
    return SHARED + OWN[ROWS.index(cell.row)]


def test_a_close_rival_shares_the_mark_and_a_far_one_does_not(plan, store, fill):
    fill(plan, store, lambda cell: VALUES[cell.row], noise)
    board = Leaderboard(plan, store)
    ranking = board.tables[0].rankings["100 %"]
    assert ranking.tested and ranking.best == {"merl"} and ranking.second == {"handcrafted"}
    assert ranking.tied == {"merl", "handcrafted"}
    assert ranking.p_values["random_init"] < 0.05 < ranking.p_values["handcrafted"]
    text = markdown(board, [])
    assert "0.798 [" in text and "≈</ins>" in text and "≈ cannot be told from the best" in text


def test_the_interval_of_a_mean_over_seeds_comes_from_its_resamples(plan, store, fill):
    fill(plan, store, lambda cell: 0.8, noise)
    entry = next(e for e in Leaderboard(plan, store).entries if e.row == "merl" and e.variant.get("fraction") == 0.1)
    expected = np.quantile(0.8 + noise(type("C", (), {"row": "merl"})), [0.025, 0.975])
    assert entry.interval == pytest.approx(expected, abs=1e-6)


def test_without_resamples_nothing_is_tested_and_the_notes_say_so(plan, store, fill):
    fill(plan, store, lambda cell: VALUES[cell.row], lambda cell: None if cell.row == "handcrafted" else noise(cell))
    board = Leaderboard(plan, store)
    assert not board.tables[0].rankings["100 %"].tested and not board.tables[0].rankings["100 %"].tied
    assert "marked without a test" in "\n".join(board.notes()).replace("\n", " ")


def test_resamples_drawn_otherwise_are_not_compared(plan, store, fill):
    fill(plan, store, lambda cell: VALUES[cell.row], noise)
    variant = next(cell for cell in plan.cells if cell.row == "merl" and cell.question.get("fraction") == 1.0)
    record = store.get(variant.spec)
    record.resampling = {**record.resampling, "recordings": "others"}
    store.set_aside(variant.spec)
    store.write(variant.spec, record, resampled=np.float32(0.8) + noise(variant))
    assert not Leaderboard(plan, store).tables[0].rankings["100 %"].tested


def test_equal_resamples_of_one_patient_separate_nothing_and_the_notes_say_so(plan, store, fill):
    fill(plan, store, lambda cell: VALUES[cell.row], lambda cell: np.zeros(200, np.float32))
    board = Leaderboard(plan, store)
    ranking = board.tables[0].rankings["100 %"]
    assert ranking.best == {"merl"} and not ranking.tested and not ranking.p_values and ranking.smallest is None
    text, notes = markdown(board, []), "\n".join(board.notes())
    assert "0.800 |" in text.replace("*", "") and "0.800, 0.800" not in text, "no interval without width"
    assert "No interval, since the number is the same on all resamples of patients: " in notes
    assert "merl (Linear probe on synthetic groups, 100 %)" in notes
    assert "Best marked without a test, since patients are too few or too alike" in notes
    assert "made before they were stored" not in notes
    assert [line.winner for line in compare(board, "merl", "handcrafted")] == ["not tested"] * 2
    assert all(row.rank_interval is None for row in overall(board)[0].rows)


def test_rows_with_equal_numbers_everywhere_are_equal_even_on_one_patient(plan, store, fill):
    fill(plan, store, lambda cell: 0.8, lambda cell: np.zeros(200, np.float32))
    ranking = Leaderboard(plan, store).tables[0].rankings["100 %"]
    assert (
        ranking.tested
        and set(ranking.p_values.values()) == {1.0}
        and ranking.smallest is None
        and ranking.best == set(ROWS)
    )


def test_records_of_few_patients_are_told_from_those_without_resamples(plan, store, fill):
    fill(plan, store, lambda cell: VALUES[cell.row], notes=[f"{NO_TEST}: all test recordings are of one patient"])
    notes = "\n".join(Leaderboard(plan, store).notes())
    assert "Best marked without a test, since patients" in notes and "made before they were stored" not in notes


def test_paired_difference_agrees_with_the_normal_theory():
    rng = np.random.default_rng(3)
    shared, own = rng.normal(0, 0.05, 20_000), rng.normal(0, 0.01, 20_000)
    result = paired_difference(Sample.of_one(0.72, 0.72 + shared + own), Sample.of_one(0.70, 0.70 + shared))
    assert result.value == pytest.approx(0.02)
    assert result.low == pytest.approx(0.02 - 1.96 * 0.01, abs=5e-4)
    assert result.p == pytest.approx(2 * norm.sf(2), abs=4e-3)


def test_p_is_symmetric_and_small_where_it_must_be():
    rng = np.random.default_rng(0)
    a, b = 0.9 + rng.normal(0, 0.01, 1000), 0.8 + rng.normal(0, 0.01, 1000)
    p = paired_difference(Sample.of_one(0.9, a), Sample.of_one(0.8, b)).p
    assert p == paired_difference(Sample.of_one(0.8, b), Sample.of_one(0.9, a)).p and p < 1e-9
    assert max(holm([p] * 500)) < 0.05  # a count of 1,000 resamples, 2 / 1,001 at least, would be lifted to 1
    assert paired_difference(Sample.of_one(0.9, a * np.nan), Sample.of_one(0.1, b)) is None


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []
