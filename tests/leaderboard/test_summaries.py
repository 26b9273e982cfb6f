"""Tables over many questions: mean rank, win rate and label savings."""

import csv
import io

import numpy as np
import pytest
from scipy.stats import t

from benchmark.leaderboard import latex, summaries
from benchmark.leaderboard.label_savings import Saving, crossings, label_savings
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.overall import overall
from benchmark.leaderboard.resampled_rows import redrawn
from benchmark.leaderboard.tables import Leaderboard
from benchmark.metrics.paired import Sample, paired_difference
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.record import RunRecord

NOISE = np.random.default_rng(0).normal(0, 0.01, (3, 400)).astype(np.float32)
ROWS = ("random_init", "handcrafted", "merl")


def noise(cell):
    return NOISE[ROWS.index(cell.row)]


def value(cell):
    """Merl leads at 10 %, handcrafted at 100 %; random_init is last in both."""
    small = cell.question.get("fraction") == 0.1
    return {"merl": 0.9 if small else 0.8, "handcrafted": 0.7 if small else 0.9, "random_init": 0.5}[cell.row]


def test_mean_rank_and_win_rate_by_hand(plan, store, fill):
    fill(plan, store, value, noise)
    (result,) = overall(Leaderboard(plan, store))
    rows = {row.row: row for row in result.rows}
    assert result.task == "linear_probe" and result.questions == 2 and not result.left_out
    assert {name: (row.rank, row.win_rate) for name, row in rows.items()} == {
        "merl": (1.5, 0.75),
        "handcrafted": (1.5, 0.75),
        "random_init": (3.0, 0.0),
    }
    assert rows["random_init"].rank_interval == (3.0, 3.0)  # far behind on every resample
    assert rows["random_init"].is_baseline


def test_rows_that_are_alike_have_wide_intervals(plan, store, fill):
    fill(plan, store, lambda cell: 0.8, noise)
    (result,) = overall(Leaderboard(plan, store))
    assert all(row.rank == 2 and row.win_rate == 0.5 for row in result.rows)
    assert all(row.rank_interval == (1.0, 3.0) for row in result.rows)


def test_a_row_without_an_answer_is_left_out_and_named(plan, store, fill):
    fill(
        plan, store, lambda cell: None if cell.row == "merl" and cell.question.get("seed") == 1 else value(cell), noise
    )
    board = Leaderboard(plan, store)
    (result,) = overall(board)
    assert result.left_out == ["merl"] and len(result.rows) == 2
    assert "want of an answer to some question: merl." in markdown(board, [])


@pytest.fixture
def wider_plan(tiny_suite):
    """The tiny suite with a third label budget."""
    tiny_suite.write_text(tiny_suite.read_text("utf-8").replace("[0.1, 1.0]", "[0.01, 0.1, 1.0]"), "utf-8")
    return make_plan(load_suite(str(tiny_suite)))


def test_a_question_that_one_row_answered_is_left_out_and_named(wider_plan, store, fill):
    """One column under way took the table of all others away, and nothing said so."""
    fill(
        wider_plan,
        store,
        lambda cell: None if cell.question.get("fraction") == 0.01 and cell.row != "merl" else value(cell),
        noise,
    )
    board = Leaderboard(wider_plan, store)
    (result,) = overall(board)
    assert result.questions == 2 and len(result.rows) == 3 and not result.left_out
    assert result.unanswered == ["synthetic groups, 1 %"]
    assert "Questions left out, answered by fewer than two rows: synthetic groups, 1 %." in markdown(board, [])


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"merl": (0.1,), "handcrafted": (0.1, 1.0)}, "fewer than two questions have two rows or more"),
        (
            {"merl": (0.1,), "handcrafted": (0.1, 1.0), "random_init": (1.0,)},
            "fewer than two rows have answered all questions",
        ),
    ],
    ids=["questions", "rows"],
)
def test_where_there_are_no_mean_ranks_every_format_says_why(answers, reason, plan, store, fill):
    fill(plan, store, lambda cell: value(cell) if cell.question.get("fraction") in answers.get(cell.row, ()) else None)
    board = Leaderboard(plan, store)
    (table,) = summaries.summary_tables(board)
    assert not table.lines and f"No mean ranks and win rates: {reason}." in table.about
    assert table.about in markdown(board, []) and "| mean rank" not in markdown(board, [])
    assert f"% {table.title}. {table.about}" in latex.tables(board)
    assert len(summaries.spreadsheet(board).splitlines()) == 1


def test_nothing_is_summed_up_of_one_question_or_before_the_first_answer(plan, store, fill):
    fill(plan, store, lambda cell: None if cell.spec.task == "linear_probe" else 0.8)
    assert not overall(Leaderboard(plan, store))


def test_without_resamples_there_are_no_intervals(plan, store, fill):
    fill(plan, store, value)
    (result,) = overall(Leaderboard(plan, store))
    assert all(row.rank_interval is None for row in result.rows)
    assert "| merl | 1.5 | 75 % |" in markdown(Leaderboard(plan, store), [])


def row_of_trainings(values):
    """A row whose trainings differ, on patients that hardly do."""
    members = np.array(values)
    return Sample(float(members.mean()), members, members[:, None] + np.random.default_rng(0).normal(0, 1e-4, 4000))


def test_the_luck_of_trainings_has_the_t_distribution_of_the_paired_test():
    sample = row_of_trainings((0.7, 0.8, 0.9))
    reach = t.isf(0.025, 2) * 0.1 / 3**0.5
    bounds = np.quantile(redrawn(sample, "a"), [0.025, 0.5, 0.975])
    assert bounds == pytest.approx([0.8 - reach, 0.8, 0.8 + reach], abs=0.04)


@pytest.mark.parametrize("other", [(0.79, 0.81, 0.83), (0.83, 0.81, 0.79), (0.79, 0.80, 0.81, 0.82, 0.83)], ids=str)
def test_rows_that_a_test_cannot_separate_take_turns_in_winning(other):
    """Seeds listed in the same order are no pairs: the first row below used to win on all resamples, at p = .57."""
    first, second = row_of_trainings((0.80, 0.82, 0.84)), row_of_trainings(other)
    wins = float((redrawn(first, "a") > redrawn(second, "b")).mean())
    assert wins == pytest.approx(1 - paired_difference(first, second).p / 2, abs=0.06)


def test_a_row_draws_the_same_trainings_in_every_question():
    good, bad = row_of_trainings((0.7, 0.8, 0.9)), row_of_trainings((0.9, 0.8, 0.7))
    draws = [redrawn(question, "a") for question in (good, good, bad)]
    assert np.corrcoef(draws[0], draws[1])[0, 1] > 0.99 and np.corrcoef(draws[0], draws[2])[0, 1] < -0.99


def test_intervals_of_rows_hold_the_truth_as_often_as_they_promise():
    random = np.random.default_rng(1)
    rows = [row_of_trainings(random.normal(0, 0.02, 3)) for _ in range(200)]
    bounds = [np.quantile(redrawn(row, str(place)), [0.025, 0.975]) for place, row in enumerate(rows)]
    assert np.mean([low <= 0 <= high for low, high in bounds]) == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize(
    ("ahead", "share"),
    [
        ([0.1, 0.2, 0.3], 0.01),  # ahead from the smallest budget on
        ([-0.1, 0.1, 0.2], 10**-1.5),  # halfway between 1 % and 10 %, on a logarithmic axis
        ([-0.2, -0.1, 0.0], 1.0),
        ([-0.2, -0.1, -0.001], np.inf),
        ([-0.1, 0.0, -0.1], 0.1),  # the first crossing counts
    ],
)
def test_the_first_crossing_by_hand(ahead, share):
    assert crossings(np.array([0.01, 0.1, 1.0]), np.array(ahead)[:, None])[0] == pytest.approx(share)


def test_label_savings_stand_in_every_format(tiny_suite, store, fill):
    text = tiny_suite.read_text("utf-8") + '\n[[methods]]\nname = "supervised"\nconfig = { width = 8, rate = 100.0 }\n'
    tiny_suite.write_text(text, "utf-8")
    plan = make_plan(load_suite(str(tiny_suite)))
    fill(plan, store, lambda cell: 0.85 if cell.row == "supervised" else value(cell), lambda cell: NOISE[0])
    for cell in plan.cells:
        if cell.row == "supervised":
            mark_as_trained(store, cell)
    board = Leaderboard(plan, store)
    assert "label savings" in markdown(board, []) and r"$\leq$ 10 \%" in latex.tables(board)
    texts = dict(summaries.summary_tables(board)[-1].lines)
    assert texts["merl"] == "≤ 10 % [≤ 10 %, ≤ 10 %]" and texts["random_init"] == "> 100 % [> 100 %, > 100 %]"
    lines = list(csv.DictReader(io.StringIO(summaries.spreadsheet(board))))
    savings = {line["method"]: line["value"] for line in lines if "label savings" in line["quantity"]}
    assert savings["random_init"] == "inf" and float(savings["merl"]) == 0.1
    assert float(savings["handcrafted"]) == pytest.approx(10 ** (-1 + 0.15 / 0.2), abs=1e-6)


def mark_as_trained(store, cell):
    record: RunRecord = store.get(cell.spec)
    record.details = {"trained": {}}
    store.set_aside(cell.spec)
    store.write(cell.spec, record, resampled=np.float32(0.85) + NOISE[0])


@pytest.fixture
def plan_with_goal(tiny_suite):
    text = tiny_suite.read_text("utf-8") + '\n[[methods]]\nname = "supervised"\nconfig = { width = 8, rate = 100.0 }\n'
    tiny_suite.write_text(text, "utf-8")
    return make_plan(load_suite(str(tiny_suite)))


def savings_of(plan, store):
    for cell in plan.cells:
        if cell.row == "supervised":
            mark_as_trained(store, cell)
    (result,) = label_savings(Leaderboard(plan, store))
    return result, {saving.row: saving for saving in result.savings}


def test_a_row_without_a_budget_has_no_saving_and_is_named(plan_with_goal, store, fill):
    """A curve that ends at 10 % because a cell is missing does not say "not with all labels"."""

    def numbers(cell):
        is_missing = cell.row == "handcrafted" and cell.question.get("fraction") == 1.0
        return None if is_missing else 0.85 if cell.row == "supervised" else value(cell)

    fill(plan_with_goal, store, numbers, lambda cell: NOISE[0])
    result, savings = savings_of(plan_with_goal, store)
    assert result.left_out == ["handcrafted"] and set(savings) == {"merl", "random_init"}
    text = markdown(Leaderboard(plan_with_goal, store), [])
    assert "Left out, for want of an answer at some budget: handcrafted." in text


def test_a_budget_that_nobody_has_answered_leaves_no_savings_and_a_reason(plan_with_goal, store, fill):
    fill(
        plan_with_goal,
        store,
        lambda cell: (
            0.85 if cell.row == "supervised" else None if cell.question.get("fraction") == 0.1 else value(cell)
        ),
    )
    result, savings = savings_of(plan_with_goal, store)
    assert not savings and len(result.left_out) == 3
    text = markdown(Leaderboard(plan_with_goal, store), [])
    assert "No label savings against supervised: no other row has answered all label budgets." in text


def test_resamples_without_a_number_say_nothing_about_savings(plan_with_goal, store, fill):
    """A rare class is absent from a resample for all rows: that is no resample on which a row stays behind."""
    gaps = np.where(np.arange(400) % 10 == 0, np.nan, NOISE[0]).astype(np.float32)
    fill(
        plan_with_goal,
        store,
        lambda cell: 0.85 if cell.row == "supervised" else value(cell),
        lambda cell: gaps,
    )
    _, savings = savings_of(plan_with_goal, store)
    assert savings["handcrafted"].interval == pytest.approx((savings["handcrafted"].share,) * 2, rel=1e-3)
    assert savings["merl"].text == "≤ 10 % [≤ 10 %, ≤ 10 %]"


@pytest.mark.parametrize(("share", "text"), [(1.0, "100 %"), (0.9963, "99.6 %"), (0.994, "99 %"), (0.0304, "3 %")])
def test_shares_near_all_labels_are_printed_as_numbers(share, text):
    assert Saving("a", "d", "l", share, None, 0.01).text == text
