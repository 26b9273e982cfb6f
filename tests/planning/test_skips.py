"""Skipped cells of a suite: each reason is given once, with its place where it has one."""

import json
from pathlib import Path

import pytest

from benchmark.api import REPORTS
from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.planning.plan import make_plan
from benchmark.planning.plan_file import read_plan, write_plan
from benchmark.planning.skips import ALL_ROWS, ALL_TASKS, Skip, skip_reason_of
from benchmark.planning.suites import load_suite
from benchmark.planning.weights import local_name
from benchmark.records.paths import PLAN
from benchmark.registry import METHODS, TASKS

SUITE = """
name = "skips"
title = "Cells that do not exist"
version = "1"

DATASETS

[[methods]]
name = "handcrafted"

[[tasks]]
"""
SYNTHETIC = """
[[datasets]]
name = "synthetic"
label_sets = LABEL_SETS
config = { patients = 120 }
"""
NO_SPACE = "it has no space shared by recordings and texts"
NO_LABELS = "it learns from labels, and the label set 'reports' is all recordings with a report"


@pytest.fixture
def plan_skips(tmp_path):
    """Plan a suite with these tasks and return the path, the cells as (task, label set) and the skips."""

    def plan(tasks, label_sets='["groups", "conditions"]', datasets=SYNTHETIC):
        path = tmp_path / "skips.toml"
        path.write_text(SUITE.replace("DATASETS", datasets).replace("LABEL_SETS", label_sets) + tasks)
        whole_plan = make_plan(load_suite(str(path)))
        return path, [(cell.spec.task, cell.spec.label_set) for cell in whole_plan.cells], list(whole_plan.skips)

    return plan


def test_a_reason_that_holds_everywhere_is_told_once_without_a_place(plan_skips):
    _, cells, skips = plan_skips('name = "zero_shot"\nconfig = { prompts = ["en", "de"] }')
    assert not cells and skips == [Skip("handcrafted", "zero_shot", NO_SPACE)]


def test_a_reason_of_the_method_goes_before_one_of_the_label_set(plan_skips):
    _, _, skips = plan_skips('name = "zero_shot"', '["groups", "reports"]')
    assert skips == [Skip("handcrafted", "zero_shot", NO_SPACE)]


def test_a_reason_that_hangs_on_the_label_set_names_it(plan_skips):
    _, cells, skips = plan_skips('name = "transfer"\nconfig = { source = "synthetic/groups" }')
    assert cells == [("transfer", "conditions")]
    assert skips == [Skip("handcrafted", "transfer", "synthetic/groups: transfer to itself is the task linear_probe")]


def test_a_task_that_learns_from_labels_is_not_asked_of_all_recordings_with_a_report(plan_skips):
    _, cells, skips = plan_skips('name = "knn"', '["groups", "reports"]')
    assert cells == [("knn", "groups")] and skips == [Skip("handcrafted", "knn", f"synthetic/reports: {NO_LABELS}")]
    assert plan_skips('name = "knn"', '["reports"]')[1:] == ([], [Skip("handcrafted", "knn", NO_LABELS)])


def test_a_baseline_of_another_task_never_looks_at_a_recording():
    task = TASKS.get("knn")()
    assert skip_reason_of(task, "frequent_report", "synthetic", "groups") == "it never looks at a recording"
    assert skip_reason_of(TASKS.get("report_generation")(), "frequent_report", "synthetic", REPORTS) is None


def test_label_sets_that_no_dataset_of_the_suite_has_do_not_vanish(plan_skips, capsys, home):
    """They did: the plan had no cell, no skip, and `run` ended with nothing done and exit code 0."""
    missing = "no dataset of the suite has 'reports' among its label_sets"
    path, cells, skips = plan_skips('name = "report_generation"\nlabel_sets = ["reports"]')
    assert not cells and skips == [Skip(ALL_ROWS, "report_generation", missing)]
    assert main(["plan", str(path)]) == 0
    assert f"skipped: all methods × report_generation: {missing}" in capsys.readouterr().out
    _, cells, skips = plan_skips('name = "knn"\nlabel_sets = ["groups", "reports"]')
    assert cells == [("knn", "groups")] and skips == [Skip(ALL_ROWS, "knn", missing)]


def test_a_dataset_that_has_none_of_a_tasks_label_sets_is_named(plan_skips):
    ptbxl = '[[datasets]]\nname = "ptbxl"\nlabel_sets = ["super"]\n'
    cpsc2018 = '[[datasets]]\nname = "cpsc2018"\nlabel_sets = ["rhythm"]\n'
    _, cells, skips = plan_skips('name = "knn"\nlabel_sets = ["rhythm"]', datasets=ptbxl + cpsc2018)
    assert cells == [("knn", "rhythm")]
    assert skips == [Skip(ALL_ROWS, "knn", "ptbxl: none of its label_sets (super) is the task's (rhythm)")]
    _, cells, skips = plan_skips('name = "knn"\nlabel_sets = []')
    assert not cells and "is the task's (none)" in skips[0].reason


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ('name = "knn"\nconfig = { fraction = [] }', "fraction of task knn is an empty list"),
        ('name = "knn"\nsignal = [{ perturb = "white", strength = [] }]', "strength of signal is an empty list"),
        ('name = "knn"\nsignal = [{ perturb = [], strength = 1.0 }]', "perturb of signal is an empty list"),
    ],
)
def test_a_grid_over_nothing_is_a_mistake(plan_skips, tasks, message):
    with pytest.raises(UsageError, match=message):
        plan_skips(tasks)


def test_weights_that_no_cell_uses_need_not_be_there(plan_skips):
    _, cells, skips = plan_skips(
        'name = "zero_shot"\n[[methods]]\nname = "random_init"\nweights = "/nowhere/weights.safetensors"'
    )
    assert not cells and [skip.row for skip in skips] == ["handcrafted", "random_init"]


# --- weights that may be absent ------------------------------------------------------------------

ABSENT = """
[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }
weights = "WEIGHTS"
if_absent = "skip"
"""


def test_a_row_whose_weights_are_absent_is_told_once_in_plan_status_and_tables(plan_skips, tmp_path, capsys, home):
    tasks = 'name = "knn"\n[[tasks]]\nname = "ridge"\n' + ABSENT.replace("WEIGHTS", str(tmp_path / "w.safetensors"))
    path, cells, skips = plan_skips(tasks, '["groups"]')
    reason = "w.safetensors is not on this machine"  # the folder stays here: plans and tables travel
    assert len(cells) == 2 and skips == [Skip("random_init", ALL_TASKS, reason)]
    for command, line in {
        "plan": f"skipped: random_init × all tasks: {reason}",
        "plan --cost": f"skipped: random_init × all tasks: {reason}",
        "status": f"skipped: random_init × all tasks: {reason}",
        "leaderboard": f"random_init × all tasks: skipped, {reason}.",
    }.items():
        main([*command.split(), str(path)])
        assert line in capsys.readouterr().out, command
    main(["status", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)[-1] == {
        "method": "random_init", "task": ALL_TASKS, "skipped": reason
    }  # fmt: skip
    assert main(["run", str(path), "--again", "random_init"]) == 2
    assert f"'random_init' is skipped: {reason}" in capsys.readouterr().err
    (tmp_path / "w.safetensors").write_bytes(b"something")
    _, cells, skips = plan_skips(tasks, '["groups"]')
    assert len(cells) == 4 and not skips


def test_a_skipped_row_stays_visible_beside_collected_records(plan_skips, tmp_path):
    weights = str(tmp_path / "w.safetensors")
    path, _, _ = plan_skips('name = "knn"\n' + ABSENT.replace("WEIGHTS", weights), '["groups"]')
    plan = make_plan(load_suite(str(path)))
    write_plan(plan, tmp_path)
    assert str(tmp_path) not in (tmp_path / PLAN).read_text("utf-8")
    assert read_plan(tmp_path).skips == plan.skips
    assert read_plan(tmp_path, tasks=["knn"]).skips == plan.skips


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ('weights = "tag:nowhere"', "random_init has no weights with the tag 'nowhere'"),
        ("", "random_init names no weights, so no file of it can be absent: remove 'if_absent'"),
        ('weights = "hub:org/repo/w.pth"', "random_init takes its weights from hub:, which fetches them"),
    ],
)
def test_a_mistake_is_no_reason_to_skip(plan_skips, block, message):
    tasks = 'name = "knn"\n' + ABSENT.replace('weights = "WEIGHTS"', block)
    with pytest.raises(UsageError, match=message):
        plan_skips(tasks, '["groups"]')


def test_the_released_suite_has_a_row_for_every_file_and_skips_those_that_are_absent(monkeypatch, tmp_path):
    suite = load_suite("released")
    monkeypatch.setenv("ECGARENA_WEIGHTS", str(tmp_path))
    plan = make_plan(suite)
    rows = [method for method in suite.methods if method.weights]
    assert len(rows) >= 8 and all(method.if_absent == "skip" for method in rows)
    assert [(skip.row, skip.task) for skip in plan.skips] == [(method.row, ALL_TASKS) for method in rows]
    assert {cell.row for cell in plan.cells} == {"random_init", "handcrafted"}
    (tmp_path / "heartlang").mkdir()
    (tmp_path / "heartlang" / "checkpoint-200.pth").write_bytes(b"weights")
    assert "heartlang, released" in {cell.row for cell in make_plan(suite).cells}


def test_the_page_of_released_encoders_names_every_file_that_the_released_suite_takes():
    page = (Path(__file__).parents[2] / "docs" / "checkpoints.md").read_text("utf-8")
    for method in load_suite("released").methods:
        if method.weights:
            tag = method.weights.removeprefix("tag:")
            assert f"| `{method.name}`, `{tag}` |" in page, method.row
            assert f"`{local_name(METHODS.get(method.name).card.weights[tag])}`" in page, method.row
