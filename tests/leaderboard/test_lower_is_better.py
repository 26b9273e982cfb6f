"""Errors in tables and figures: the smallest is the best everywhere, its unit stands beside it, and units never mix."""

import csv
import io
import json

import numpy as np
import pytest

from benchmark.leaderboard import comparison, latex, page, spreadsheet
from benchmark.leaderboard import metric_grid as beside
from benchmark.leaderboard.figures import cost, difference, dots, draw_all, label_efficiency, rank_summary
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.terminal import show
from benchmark.planning.plan import make_plan
from benchmark.planning.plan_file import read_plan, write_plan
from benchmark.planning.suites import load_suite
from benchmark.records.paths import PLAN
from benchmark.records.record import RunRecord

SUITE = """
name = "errors"
title = "Errors"
version = "1"
datasets = [{ name = "synthetic", label_sets = ["groups", "heart_rate", "age"], config = { patients = 120 } }]
methods = [{ name = "random_init", config = { width = 8 } }, { name = "merl" }]
tasks = [
  { name = "regression_probe", label_sets = ["heart_rate", "age"], config = { fraction = [0.1, 1.0] } },
  { name = "ridge", label_sets = ["groups"], config = { fraction = [0.1, 1.0] } },
]
"""
ERRORS = {"random_init": 9.0, "handcrafted": 4.02, "merl": 4.0, "training_mean": 12.0}
RANDOM = np.random.default_rng(0)
SHARED = RANDOM.normal(0, 0.3, 200)
OWN = {row: RANDOM.normal(0, 0.05, 200) for row in ERRORS}


def value_of(cell):
    if cell.spec.task == "ridge":
        return {"random_init": 0.7, "merl": 0.9}[cell.row]
    return (
        ERRORS[cell.row] * (1 if cell.spec.label_set == "age" else 3) * (1 if cell.question["fraction"] == 1 else 1.1)
    )


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "errors.toml").write_text(SUITE, "utf-8")
    return make_plan(load_suite(str(tmp_path / "errors.toml")))


@pytest.fixture
def board(plan, store):
    for cell in plan.cells:
        number, is_error = value_of(cell), cell.spec.task != "ridge"
        primary = "mae" if is_error else "auroc_macro"
        record = RunRecord(cell.spec.key, cell.spec.to_json(), cell.question, "done", {primary: number})
        record.primary, record.higher_is_better, record.data_digest = primary, not is_error, "d1"
        record.n, record.resampling = {"train": 9, "test": 30}, {"resamples": 200}
        record.cost = {"parameters": 1000 + len(cell.row)}
        if is_error:
            record.values_digest = f"v-{cell.spec.label_set}"
            record.metrics |= {"r2": 0.5}
            record.analysis = {"unit": "years" if cell.spec.label_set == "age" else "beats/min"}
        scale = number / 4 if is_error else 0.01
        store.write(cell.spec, record, resampled=(number + scale * (SHARED + OWN[cell.row])).astype(np.float32))
    return Leaderboard(plan, store)


def table_of(board, label_set):
    return next(table for table in board.tables if table.label_set == label_set)


def test_the_smallest_error_is_bold_the_next_underlined_and_a_close_one_tied(board):
    table = table_of(board, "age")
    ranking = table.rankings["100 %"]
    assert ranking.best == {"merl"} and ranking.second == {"handcrafted"} and ranking.tied == {"merl", "handcrafted"}
    assert ranking.p_values["random_init"] < 0.05
    text = markdown(board, [])
    assert "**4.000 [" in text and "<ins>4.020 [" in text and "**36.000" not in text
    assert "MAE in years (lower is better); 30 recordings in test" in text
    assert "MAE in beats/min (lower is better); " in text and "macro AUROC; 30 recordings" in text
    assert table_of(board, "groups").rankings["100 %"].best == {"merl"}


def test_the_grid_of_further_metrics_says_the_unit_of_the_error_alone(board):
    grids = list(beside.grids(board))
    assert "| method | MAE in beats/min (lower is better) | R² |" in beside.markdown(grids[0])
    assert grids[0].metrics == ("mae", "r2")


def test_the_winner_of_a_comparison_has_the_smaller_error(board):
    lines = comparison.compare(board, "merl", "random_init")
    assert {line.winner for line in lines} == {"a"}
    assert {line.winner for line in comparison.compare(board, "random_init", "merl")} == {"b"}
    text = comparison.markdown(lines, "merl", "random_init")
    assert "merl better: 6, random\\_init better: 0" in text or "merl better: 6, random_init better: 0" in text
    assert "100 %, MAE in years (lower is better)" in text and "100 %, macro AUROC" not in text


def test_differences_in_different_units_share_no_axis(board):
    figure = difference.draw(board, comparison.compare(board, "merl", "random_init"), "merl", "random_init")
    labels = [axis.get_xlabel() for axis in figure.axes]
    words = [" ".join(label.split()) for label in labels]
    assert len(words) == 3 and any("in MAE in years (lower is better)" in label for label in words)
    rows = [len(axis.get_yticks()) for axis in figure.axes]
    assert rows == [2, 2, 2]


def test_latex_and_spreadsheet_mark_the_smallest_error(board):
    text = latex.tables(board)
    assert r"\textbf{4.000" in text and "MAE in years (lower is better) on 30 test recordings" in text
    rows = list(csv.DictReader(io.StringIO(spreadsheet.spreadsheet(board))))
    marks = {
        row["method"]: row["mark"]
        for row in rows
        if row["label_set"] == "age" and row["fraction"] == "1" and row["metric"] == "mae"
    }
    assert marks == {"merl": "best", "handcrafted": "second+tied", "random_init": "", "training_mean": ""}


def test_the_page_sorts_what_is_missing_behind_the_largest_error(board, tmp_path):
    table = table_of(board, "age")
    table.body.pop(("merl", "10 %"))
    text = page.page(board, [], {}, tmp_path)
    assert 'data-order="1e99"' in text and "MAE in years (lower is better); " in text


def test_ranks_count_the_smallest_error_as_first(board):
    ranks = rank_summary.ranks_by_row(board)
    assert set(ranks["merl"]) == {1.0} and set(ranks["training_mean"]) == {4.0}


def test_the_mean_beside_a_cost_is_of_one_metric(board):
    metric, scores = cost._scores(board)
    assert (metric, scores) == ("", {}) or "MAE" in metric  # the AUROC lacks two of the rows
    figures, reasons = draw_all(board)
    assert "cost" in figures or "cost" in reasons
    if "cost" in figures:
        assert figures["cost"].axes[0].get_ylabel() == f"mean of {metric}"
        largest = max(values[0] for values in ([score] for score in scores.values()))
        assert largest > 1


def test_panels_of_label_efficiency_name_their_units(board):
    figures = label_efficiency.draw(board)
    labels = [axis.get_ylabel() for axis in figures["label_efficiency-regression_probe"].axes]
    assert labels == ["MAE in beats/min (lower is better)", "MAE in years (lower is better)"]
    assert [axis.get_ylabel() for axis in figures["label_efficiency-ridge"].axes] == ["macro AUROC"]


def test_many_methods_are_ordered_by_rank_where_units_differ(board):
    tables = [table_of(board, name) for name in ("heart_rate", "age")]
    panels = [points for table in tables for points in label_efficiency._panels(table).values()]
    assert dots._order(panels, ["training_mean"], False) == ["merl", "handcrafted", "random_init", "training_mean"]
    assert dots._order(panels[:1], ["merl"], True) == ["handcrafted", "random_init", "training_mean", "merl"]
    titles = dict(zip(("a", "b"), panels, strict=True))
    figure = dots.draw(titles, [], ["MAE in beats/min", "MAE in years"], "share", str)
    assert [axis.get_xlabel() for axis in figure.axes] == ["MAE in beats/min", "MAE in years"]


def test_the_terminal_says_which_way_is_better(board, capsys):
    show(board)
    text = " ".join(capsys.readouterr().out.split())
    assert "Regression probe on synthetic age: MAE in years (lower is better)" in text
    assert "Ridge probe on synthetic groups:" not in text


def test_records_of_other_values_share_no_table(plan, board):
    cell = next(cell for cell in plan.cells if cell.spec.label_set == "age")
    record = board.store.get(cell.spec)
    board.store.set_aside(cell.spec)
    record.values_digest, record.files = "others", {}
    board.store.write(cell.spec, record)
    from benchmark.errors import DataError

    with pytest.raises(DataError, match="synthetic/age: records from 2 different preparations"):
        Leaderboard(plan, board.store)


def test_a_plan_that_travels_keeps_the_direction_of_its_metrics(plan, board, store, tmp_path):
    """Collected records were compared without "lower is better": their plan did not say it."""
    write_plan(plan, store.root)
    travelled = read_plan(store.root)
    assert travelled.tasks == plan.tasks
    table = json.loads((store.root / PLAN).read_text())["tasks"]
    older = {
        name: {key: value for key, value in facts.items() if key != "higher_is_better"} for name, facts in table.items()
    }
    (store.root / PLAN).write_text(
        (store.root / PLAN).read_text().replace(json.dumps(table, sort_keys=True), json.dumps(older, sort_keys=True))
    )
    older_plan = read_plan(store.root)
    assert older_plan.tasks != plan.tasks
    titles = [
        [line.title for line in comparison.compare(Leaderboard(one, store), "merl", "random_init")]
        for one in (plan, travelled, older_plan)
    ]
    assert titles[0] == titles[1] == titles[2] and "lower is better" in titles[0][0]
