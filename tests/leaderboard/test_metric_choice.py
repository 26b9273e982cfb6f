"""Tables of another metric: its numbers and direction, no test that records cannot give, and a CSV with all metrics."""

import csv
import io

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.presentation import read_presentation
from benchmark.leaderboard.spreadsheet import spreadsheet
from benchmark.leaderboard.tables import Leaderboard
from benchmark.metrics.ranges import is_higher_better, is_share

BRIER = {"random_init": 0.3, "handcrafted": 0.2, "merl": 0.25}
NOISE = np.random.default_rng(0).normal(0, 0.02, 200).astype(np.float32)


@pytest.fixture
def records(plan, store, fill):
    fill(plan, store, lambda cell: 0.8, lambda cell: NOISE)
    for cell in plan.cells:
        record = store.get(cell.spec)
        if cell.spec.task == "linear_probe":
            value = BRIER[cell.row] + 0.01 * cell.question["seed"]
            record.metrics |= {"brier_macro": value, "length_ratio": 1.1, "own": 2.0}
            record.intervals["brier_macro"] = (value - 0.01, value + 0.02)
        store.set_aside(cell.spec)
        store.write(cell.spec, record, resampled=np.float32(0.8) + NOISE)
    return store


def board_of(plan, records, metric):
    return Leaderboard(plan, records, look=read_presentation(None, {"metric": metric}))


def test_a_metric_where_lower_is_better_is_ranked_so_and_without_a_test(plan, records):
    board = board_of(plan, records, "brier_macro")
    text = markdown(board, [])
    assert "| handcrafted | **0.205 ±0.007 [0.195, 0.225]** |" in text and "| merl | <ins>0.255" in text
    assert "macro Brier score (lower is better); 30 recordings in test" in text
    assert not any(ranking.tested for ranking in board.tables[0].rankings.values())
    assert "The order by brier_macro is untested: records keep resamples of auroc_macro alone." in text
    assert "made before they were stored" not in text
    assert board.name == "tiny-brier_macro", "no table of another metric takes the place of the suite's"


def test_tables_without_the_metric_are_left_out_and_named(plan, records):
    board = board_of(plan, records, "brier_macro")
    assert [table.task for table in board.tables] == ["linear_probe"]
    note = "Zero-shot classification on synthetic groups: left out, its records hold no brier_macro."
    assert note in board.notes()


def test_the_primary_metric_keeps_its_test(plan, records):
    ranking = board_of(plan, records, "auroc_macro").tables[0].rankings["10 %"]
    assert ranking.tested


@pytest.mark.parametrize("metric", ["length_ratio", "own"])
def test_a_metric_without_a_better_end_marks_nothing(plan, records, metric):
    board = board_of(plan, records, metric)
    assert not any(ranking.best for ranking in board.tables[0].rankings.values())
    assert f"{metric}: neither end of it is known to be better, so no entry is marked." in board.notes()


def test_an_unknown_metric_is_refused_with_the_nearest(plan, records):
    with pytest.raises(UsageError, match=r"the records hold no 'brier' \(did you mean 'brier_macro'\?\)"):
        board_of(plan, records, "brier")


def test_the_option_writes_every_format(tiny_suite, records, tmp_path, capsys):
    arguments = ["leaderboard", str(tiny_suite), "--records", str(records.root), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--metric", "brier_macro", "--format", "md,csv,tex,html,svg"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"tiny-brier_macro.md", "tiny-brier_macro-wide.tex", "tiny-brier_macro.html"} <= names
    page = (tmp_path / "out" / "tiny-brier_macro.html").read_text()
    assert 'data-best="asc"' in page


def test_the_csv_has_a_column_per_field_and_a_line_per_metric(plan, records):
    lines = list(csv.DictReader(io.StringIO(spreadsheet(Leaderboard(plan, records)))))
    assert {"fraction", "subset", "trials", "prompts", "centre", "seed"} <= lines[0].keys()
    merl = [line for line in lines if (line["method"], line["fraction"]) == ("merl", "0.1")]
    means = {line["metric"]: line["mean"] for line in merl}
    assert means == {
        "auroc_macro": "0.800000",
        "brier_macro": "0.255000",
        "length_ratio": "1.100000",
        "own": "2.000000",
    }
    assert {line["seed"] for line in merl} == {"0 1"} and merl[0]["prompts"] == ""
    by_metric = {line["metric"]: line for line in merl}
    assert by_metric["brier_macro"]["ci95_low"] == "0.245000" and by_metric["brier_macro"]["mark"] == ""
    assert by_metric["auroc_macro"]["mark"] != "" and float(by_metric["auroc_macro"]["sd_patients"]) > 0


def test_a_p_value_in_the_csv_is_never_rounded_to_nothing(plan, store, fill):
    """At six decimals a p of 1e-18 would read as 0."""
    values = {"random_init": 0.6, "handcrafted": 0.7, "merl": 0.8}
    rng = np.random.default_rng(1)
    noise = {row: rng.normal(0, 0.01, 200).astype(np.float32) for row in values}
    fill(plan, store, lambda cell: values[cell.row], lambda cell: noise[cell.row])
    lines = csv.DictReader(io.StringIO(spreadsheet(Leaderboard(plan, store))))
    worst = next(line for line in lines if line["method"] == "random_init")
    assert 0 < float(worst["p_against_best"]) < 1e-6


@pytest.mark.parametrize(
    "metric, higher",
    [
        *(("auroc_macro", True), ("cider", True), ("r2", True), ("brier_macro", False), ("ece_macro", False)),
        *(("mae", False), ("median_rank", False), ("length_ratio", None), ("distinct", None), ("unknown", None)),
        *(("embedding", True), ("lead_difference", True), ("lead_difference_absent", None)),
    ],
)
def test_the_better_end_of_metrics(metric, higher):
    assert is_higher_better(metric) is higher


def test_shares_are_metrics_from_0_to_1():
    assert is_share("auroc_macro") and not is_share("mae") and not is_share("cider")
