"""Whoever has the records makes the table: without weights, plug-ins or the suite's file."""

import json

import pytest

from benchmark.cli import main
from benchmark.planning.plan import make_plan
from benchmark.planning.plan_file import read_plan
from benchmark.planning.suites import load_suite
from benchmark.records.paths import PLAN
from benchmark.records.store import Store
from benchmark.registry import METHODS
from benchmark.testing import FakeMethod

SUITE = """
name = "shared"
title = "A suite with a plug-in and a file of weights"
version = "1.0"
[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 120 }
[[tasks]]
name = "knn"
config = { fraction = [0.1, 1.0], seed = [0, 1] }
[[tasks]]
name = "zero_shot"
[[methods]]
name = "handcrafted"
[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }
[[methods]]
name = "fake"
label = "ours"
weights = "WEIGHTS"
"""


@pytest.fixture
def collection(tmp_path, home, fill, monkeypatch):
    """Records of a suite in a folder of their own, whose weights, plug-in and suite are gone; and its tables before."""
    monkeypatch.setitem(METHODS._classes, "fake", FakeMethod)
    suite, weights = tmp_path / "shared.toml", tmp_path / "weights.pt"
    weights.write_bytes(b"somebody's weights")
    suite.write_text(SUITE.replace("WEIGHTS", str(weights)))
    plan = make_plan(load_suite(str(suite)))
    fill(plan, Store(home.records), lambda cell: {"ours": 0.9, "handcrafted": 0.8}.get(cell.row, 0.7))
    assert main(["collect", str(suite), "--out", str(tmp_path / "records")]) == 0
    arguments = ["leaderboard", str(suite), "--format", "md,csv,tex,html", "--out", str(tmp_path / "before")]
    assert main([*arguments, "--records", str(home.records)]) == 0
    weights.unlink()
    suite.unlink()
    monkeypatch.delitem(METHODS._classes, "fake")
    return tmp_path


def test_the_tables_are_those_of_the_author(collection):
    arguments = ["leaderboard", str(collection / "shared.toml"), "--format", "md,csv,tex,html", "--strict"]
    assert main([*arguments, "--records", str(collection / "records"), "--out", str(collection / "after")]) == 0
    for path in (collection / "before").iterdir():
        same = (collection / "after" / path.name).read_bytes() == path.read_bytes()
        assert same or path.suffix == ".html", path.name  # the page holds where the records are
    text = (collection / "after" / "shared.md").read_text()
    assert text.index("| ours |") < text.index("*baselines*") < text.index("| random_init |")


def test_compare_and_status_need_no_more(collection, capsys):
    records = ["--records", str(collection / "records")]
    assert main(["compare", "ours", "handcrafted", "--suite", "shared", *records]) == 0
    assert "ours against handcrafted" in capsys.readouterr().out
    assert main(["status", "shared", "--json", *records]) == 0
    assert {row["method"] for row in json.loads(capsys.readouterr().out)} == {"ours", "handcrafted", "random_init"}


def test_the_file_says_nothing_of_the_authors_machine(collection):
    assert str(collection) not in (collection / "records" / PLAN).read_text()


def test_rows_and_tasks_are_chosen_and_wrong_ones_named(collection, capsys):
    plan = read_plan(collection / "records", ["ours"], ["knn"])
    assert {(cell.row, cell.spec.task) for cell in plan.cells} == {("ours", "knn")}
    records = ["--records", str(collection / "records")]
    assert main(["leaderboard", "shared", "--methods", "our", *records]) == 2
    assert "no 'our' (did you mean 'ours'?)" in capsys.readouterr().err
    assert main(["leaderboard", "other", *records, "--set", "tasks.knn.config.seed=[0]"]) == 2
    error_text = capsys.readouterr().err
    assert "collected for the suite shared, not other" in error_text and "--set changes a suite" in error_text


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 2}', '{"version": 1, "suite": {}}'])
def test_a_file_that_is_no_plan_is_one_sentence(collection, content, capsys):
    (collection / "records" / PLAN).write_text(content)
    assert main(["leaderboard", "shared", "--records", str(collection / "records")]) == 5
    assert f"{PLAN}" in capsys.readouterr().err
