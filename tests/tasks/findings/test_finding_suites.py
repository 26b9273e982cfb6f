"""Findings from a suite on the command line to its tables."""

import pytest

from benchmark.cli import main
from benchmark.planning.contamination import Gate
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store

SUITE = """
name = "findings"
title = "Findings"
version = "1"
datasets = [{ name = "ptbxl", label_sets = ["findings", "super"], config = { rate = 100 } }]
methods = [{ name = "random_init", config = { width = 8, rate = 100.0 } }]
[[tasks]]
name = "finding_probe"
config = { folds = ["held_out", "all"] }
[[tasks]]
name = "finding_leads"
[[tasks]]
name = "ridge"
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "findings.toml"
    path.write_text(SUITE, "utf-8")
    return path


def test_a_suite_asks_findings_of_sparse_label_sets_alone(suite):
    plan = make_plan(load_suite(str(suite)))
    places = {(cell.spec.task, cell.spec.label_set) for cell in plan.cells}
    assert places == {("finding_probe", "findings"), ("finding_leads", "findings"), ("ridge", "super")}
    reasons = {(skip.task, skip.reason) for skip in plan.skips}
    assert (
        "ridge",
        "ptbxl/findings: most labels in findings are unknown, and it would take them for absent",
    ) in reasons
    assert (
        "finding_probe",
        "ptbxl/super: it is about labels that may be unknown, and in super all are known",
    ) in reasons


def test_from_the_command_to_tables_that_say_silver_labels(suite, own_world, capsys):
    data, home = own_world
    assert main(["run", str(suite), "-q", "--tasks", "finding_probe", "finding_leads"]) == 0, capsys.readouterr().out
    plan, store = make_plan(load_suite(str(suite)), tasks=["finding_probe", "finding_leads"]), Store(home.records)
    records = {(cell.spec.task, cell.question["folds"]): store.get(cell.spec) for cell in plan.cells}
    held_out, whole = records["finding_probe", "held_out"], records["finding_probe", "all"]
    labelled = data.folds[data.label_set("findings").rows]
    assert held_out.n["test"] == (labelled >= 9).sum() and whole.n["test"] == len(labelled)
    assert whole.values_digest == data.values_digest("findings")
    assert any(note.startswith("silver labels") for note in whole.notes)
    [page] = home.leaderboards.glob("findings*.md")
    assert "silver labels" in page.read_text("utf-8")


def test_the_gate_sees_the_folds_that_are_tested(suite, own_world):
    _, home = own_world
    text = suite.read_text("utf-8").replace(
        'methods = [{ name = "random_init", config = { width = 8, rate = 100.0 } }]',
        'methods = [{ name = "random_init" }, { name = "simclr", config = { width = 8, rate = 100.0 }, '
        'pretrain = { dataset = "ptbxl", epochs = 1, batch_size = 8 } }]',
    )
    suite.write_text(text, "utf-8")
    plan, gate = make_plan(load_suite(str(suite)), tasks=["finding_probe"]), Gate(home)
    verdicts = {(cell.row, cell.question["folds"]): gate.verdict(cell) for cell in plan.cells}
    states = {place: verdict.state for place, verdict in verdicts.items()}
    assert states == {
        ("random_init", "held_out"): "clean",
        ("random_init", "all"): "clean",
        ("simclr", "held_out"): "clean",
        ("simclr", "all"): "contaminated",
    }
    assert "where recordings of the tested folds lie" in verdicts["simclr", "all"].reasons[0]
