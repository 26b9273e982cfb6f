"""Words in place of names from code, wherever a reader meets them: columns, headings, legends."""

import pytest
from matplotlib.figure import Figure

from benchmark.leaderboard.figures import loss_curves
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.presentation import read_presentation
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.words import label_set_words
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.record import RunRecord

SUITE = """
name = "searched"
title = "Searched"
version = "1"
datasets = [{ name = "synthetic", label_sets = ["groups"], config = { patients = 120 } }]
tasks = [{ name = "retrieval" }]
methods = [
  { name = "merl", pretrain = { dataset = "synthetic", epochs = 1 } },
  { name = "merl", label = "longer", pretrain = { dataset = "synthetic", epochs = 2 } },
]
"""
RECALLS = {"recall_at_10": 0.5, "recall_at_1_text": 0.2}


@pytest.fixture
def plan_of_retrieval(tmp_path, store):
    """The plan of a task without fields, of which one row has no record."""
    (tmp_path / "searched.toml").write_text(SUITE, "utf-8")
    plan = make_plan(load_suite(str(tmp_path / "searched.toml")))
    spec, question = plan.cells[0].spec, plan.cells[0].question
    record = RunRecord(spec.key, spec.to_json(), question, "done", dict(RECALLS), primary="recall_at_10")
    record.data_digest, record.n = "d1", {"test": 30}
    store.write(spec, record)
    return plan


def test_the_column_of_a_task_without_fields_has_the_words_of_its_metric(plan_of_retrieval, store):
    board = Leaderboard(plan_of_retrieval, store)
    assert board.tables[0].columns == ["recall at 10"]
    assert "| method | recall at 10 |" in markdown(board, []) and "recall_at_10" not in markdown(board, [])


def test_under_another_metric_it_has_the_words_of_that_one_in_all_rows(plan_of_retrieval, store):
    board = Leaderboard(plan_of_retrieval, store, look=read_presentation(None, {"metric": "recall_at_1_text"}))
    assert board.tables[0].columns == ["recall at 1 text"] and len(board.tables[0].body) == 2


def test_names_of_plug_ins_lose_their_underscores():
    assert label_set_words("my_hospital", "all_codes") == "my hospital all codes"


def test_the_legend_of_losses_has_no_underscores():
    axis = Figure().subplots()
    lines = [{"epoch": str(epoch), "loss": "3", "rec_ecg": "1", "rec_text": "2"} for epoch in (1, 2)]
    loss_curves._panel(axis, "a row", [lines])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["loss", "rec ecg", "rec text"]
