"""Leaderboard tables from made-up records: means, marks, what is missing, and what must never be mixed."""

import csv
import io

import pytest

from benchmark.errors import DataError
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.spreadsheet import spreadsheet
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.record import RunRecord


def by_seed(cell):
    return {"random_init": 0.6, "handcrafted": 0.7, "merl": 0.8}[cell.row] + 0.02 * cell.question.get("seed", 0)


def test_means_spreads_intervals_and_the_best(plan, store, fill):
    fill(plan, store, by_seed)
    text = markdown(Leaderboard(plan, store), [])
    assert "| method | 10 % | 100 % |" in text
    assert "| handcrafted | <ins>0.710 ±0.014 [0.660, 0.750]</ins> | <ins>0.700 [0.650, 0.740]</ins> |" in text
    assert "| merl | **0.810 ±0.014 [0.760, 0.850]** | **0.800 [0.750, 0.840]** |" in text
    assert text.index("| merl |") < text.index("| *baselines* |") < text.index("| random_init | 0.610")
    assert "macro AUROC; 30 recordings in test; train 10 %: 9, 100 %: 9." in text
    assert "SYNTHETIC DATA" in text and "PARTIAL" not in text and "INCOMPLETE" not in text
    assert "handcrafted × zero_shot: skipped, it has no space shared" in text


def test_missing_and_failed_cells_are_shown_and_never_best(plan, store, fill):
    fill(plan, store, lambda cell: None if cell.row == "merl" and cell.question.get("seed") == 1 else by_seed(cell))
    cell_lost = next(cell for cell in plan.cells if cell.row == "random_init")
    store.set_aside(cell_lost.spec)
    store.write(
        cell_lost.spec,
        RunRecord(cell_lost.spec.key, cell_lost.spec.to_json(), cell_lost.question, "failed", error={"message": "x"}),
    )
    text = markdown(Leaderboard(plan, store), [])
    assert "0.800 [0.750, 0.840] (1 of 2 seeds absent)" in text and "**0.800 [0.750, 0.840] (1" not in text
    assert "INCOMPLETE: 2 cells are missing or failed; `ecgarena run tiny`" in text
    assert "merl × linear_probe: 1 cells missing; `ecgarena run tiny --methods merl --tasks linear_probe`" in text
    assert "random_init × linear_probe: 1 cells failed; `ecgarena run tiny --methods random_init" in text


def test_an_empty_store_is_all_missing(plan, store):
    board = Leaderboard(plan, store)
    assert markdown(board, []).count("missing |") == 7 and board.absent == len(plan.cells)


def test_records_of_different_data_are_never_mixed(plan, store, fill):
    fill(plan, store, lambda cell: 0.5 if cell.row == "merl" else None)
    fill(plan, store, lambda cell: 0.5 if cell.row == "handcrafted" else None, data_digest="d2")
    with pytest.raises(DataError, match=r"2 different preparations \(d1, d2\)"):
        Leaderboard(plan, store)


def test_lower_can_be_better(plan, store, fill):
    fill(plan, store, by_seed, higher_is_better=False)
    text = markdown(Leaderboard(plan, store), [])
    assert "| random_init | **0.610" in text and "| merl | 0.810" in text


def test_csv_holds_what_the_table_says(plan, store, fill):
    fill(plan, store, by_seed)
    rows = list(csv.DictReader(io.StringIO(spreadsheet(Leaderboard(plan, store)))))
    assert len(rows) == 7
    result = next(row for row in rows if row["method"] == "merl" and row["fraction"] == "0.1")
    assert result["mean"] == "0.810000" and result["seeds"] == "2" and result["synthetic"] == "True"
    assert result["protocol"] == "frozen-eval-1" and result["data_digest"] == "d1"


def test_partial_results_are_never_final(tiny_suite, store, fill):
    plan = make_plan(load_suite(str(tiny_suite)), limit=5)
    fill(plan, store, by_seed, partial=True)
    board = Leaderboard(plan, store)
    assert board.partial and "PARTIAL" in markdown(board, [])
    final = Leaderboard(make_plan(load_suite(str(tiny_suite))), store)
    assert final.absent == len(final.plan.cells)  # a complete leaderboard sees none of them


def test_names_cannot_break_the_table(plan, store, tiny_suite, fill):
    tiny_suite.write_text(
        tiny_suite.read_text() + '\n[[methods]]\nname = "handcrafted"\nlabel = "a|b"\nconfig = {rate = 99}\n'
    )
    plan = make_plan(load_suite(str(tiny_suite)), methods=["a|b"])
    fill(plan, store)
    assert "| a\\|b | 0.8" in markdown(Leaderboard(plan, store), [])


def plan_with(tiny_suite, old, new):
    text = tiny_suite.read_text("utf-8")
    assert old in text
    tiny_suite.write_text(text.replace(old, new), "utf-8")
    return make_plan(load_suite(str(tiny_suite)))


ZERO_SHOT = 'name = "zero_shot"'
ONE_PROBE = 'name = "linear_probe"\nconfig = { fraction = 1.0, trials = 3 }\n'


@pytest.mark.parametrize(
    ("signals", "columns"),
    [
        (
            "{ perturb = 'white', strength = 0.1 }, { perturb = 'white', strength = 0.1, seed = 1 }",
            ["white 0.1 mV rms"],
        ),
        ("{ perturb = 'swap_arms', strength = [0.101, 0.104] }", ["swap arms 10.1 % of recordings"]),
        ("{ perturb = 'white', strength = [0.1, 0.1000001] }", ["white 0.1 mV rms"]),
    ],
)
def test_conditions_that_differ_have_columns_of_their_own(tiny_suite, store, fill, signals, columns):
    """Two seeds, and two shares that round alike, once were one column: the mean over both, under one name."""
    plan = plan_with(tiny_suite, ZERO_SHOT, f"{ONE_PROBE}signal = [{signals}]")
    conditions = list(dict.fromkeys(str(cell.spec.signal) for cell in plan.cells if cell.spec.signal))
    fill(plan, store, lambda cell: 0.6 + 0.1 * conditions.index(str(cell.spec.signal)) if cell.spec.signal else 0.9)
    table = Leaderboard(plan, store).tables[0]
    perturbed = {
        name: entry.mean
        for (row, name), entry in table.body.items()
        if row == "merl" and ("mV" in name or "of" in name)
    }
    assert sorted(perturbed.values()) == [0.6, 0.7]
    assert set(columns) <= {name.partition(", ")[2] for name in perturbed}


def test_columns_whose_titles_are_equal_are_told_apart(tiny_suite, store, fill):
    """The later of two such columns once took the place of the earlier, without a word."""
    plan = plan_with(tiny_suite, "fraction = [0.1, 1.0]", "fraction = [0.1, 0.100000001]")
    fill(plan, store, lambda cell: 0.6 if cell.question.get("fraction") == 0.1 else 0.7)
    table = Leaderboard(plan, store).tables[0]
    assert table.columns == ["10 % (fraction 0.1)", "10 % (fraction 0.100000001)"]
    assert [table.body["merl", column].mean for column in table.columns] == [0.6, 0.7]
