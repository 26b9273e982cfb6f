"""Skipped cells of a suite: each reason is given once, with its place where it has one."""

import pytest

from benchmark.api import REPORTS
from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.planning.plan import make_plan
from benchmark.planning.skips import ALL_ROWS, Skip, skip_reason_of
from benchmark.planning.suites import load_suite
from benchmark.registry import TASKS

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
def skipped(tmp_path):
    """Plan a suite with these tasks and return the path, the cells as (task, label set) and the skips."""

    def plan(tasks, label_sets='["groups", "conditions"]', datasets=SYNTHETIC):
        path = tmp_path / "skips.toml"
        path.write_text(SUITE.replace("DATASETS", datasets).replace("LABEL_SETS", label_sets) + tasks)
        made = make_plan(load_suite(str(path)))
        return path, [(cell.spec.task, cell.spec.label_set) for cell in made.cells], list(made.skips)

    return plan


def test_a_reason_that_holds_everywhere_is_told_once_without_a_place(skipped):
    _, cells, skips = skipped('name = "zero_shot"\nconfig = { prompts = ["en", "de"] }')
    assert not cells and skips == [Skip("handcrafted", "zero_shot", NO_SPACE)]


def test_a_reason_of_the_method_goes_before_one_of_the_label_set(skipped):
    _, _, skips = skipped('name = "zero_shot"', '["groups", "reports"]')
    assert skips == [Skip("handcrafted", "zero_shot", NO_SPACE)]


def test_a_reason_that_hangs_on_the_label_set_names_it(skipped):
    _, cells, skips = skipped('name = "transfer"\nconfig = { source = "synthetic/groups" }')
    assert cells == [("transfer", "conditions")]
    assert skips == [Skip("handcrafted", "transfer", "synthetic/groups: transfer to itself is the task linear_probe")]


def test_a_task_that_learns_from_labels_is_not_asked_of_all_recordings_with_a_report(skipped):
    _, cells, skips = skipped('name = "knn"', '["groups", "reports"]')
    assert cells == [("knn", "groups")] and skips == [Skip("handcrafted", "knn", f"synthetic/reports: {NO_LABELS}")]
    assert skipped('name = "knn"', '["reports"]')[1:] == ([], [Skip("handcrafted", "knn", NO_LABELS)])


def test_a_baseline_of_another_task_never_looks_at_a_recording():
    task = TASKS.get("knn")()
    assert skip_reason_of(task, "frequent_report", "synthetic", "groups") == "it never looks at a recording"
    assert skip_reason_of(TASKS.get("report_generation")(), "frequent_report", "synthetic", REPORTS) is None


def test_label_sets_that_no_dataset_of_the_suite_has_do_not_vanish(skipped, capsys, home):
    """They did: the plan had no cell, no skip, and `run` ended with nothing done and exit code 0."""
    missing = "no dataset of the suite has 'reports' among its label_sets"
    path, cells, skips = skipped('name = "report_generation"\nlabel_sets = ["reports"]')
    assert not cells and skips == [Skip(ALL_ROWS, "report_generation", missing)]
    assert main(["plan", str(path)]) == 0
    assert f"skipped: all methods × report_generation: {missing}" in capsys.readouterr().out
    _, cells, skips = skipped('name = "knn"\nlabel_sets = ["groups", "reports"]')
    assert cells == [("knn", "groups")] and skips == [Skip(ALL_ROWS, "knn", missing)]


def test_a_dataset_that_has_none_of_a_tasks_label_sets_is_named(skipped):
    ptbxl = '[[datasets]]\nname = "ptbxl"\nlabel_sets = ["super"]\n'
    cpsc2018 = '[[datasets]]\nname = "cpsc2018"\nlabel_sets = ["rhythm"]\n'
    _, cells, skips = skipped('name = "knn"\nlabel_sets = ["rhythm"]', datasets=ptbxl + cpsc2018)
    assert cells == [("knn", "rhythm")]
    assert skips == [Skip(ALL_ROWS, "knn", "ptbxl: none of its label_sets (super) is the task's (rhythm)")]
    _, cells, skips = skipped('name = "knn"\nlabel_sets = []')
    assert not cells and "is the task's (none)" in skips[0].reason


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ('name = "knn"\nconfig = { fraction = [] }', "fraction of task knn is an empty list"),
        ('name = "knn"\nsignal = [{ perturb = "white", strength = [] }]', "strength of signal is an empty list"),
        ('name = "knn"\nsignal = [{ perturb = [], strength = 1.0 }]', "perturb of signal is an empty list"),
    ],
)
def test_a_grid_over_nothing_is_a_mistake(skipped, tasks, message):
    with pytest.raises(UsageError, match=message):
        skipped(tasks)


def test_weights_that_no_cell_uses_need_not_be_there(skipped):
    _, cells, skips = skipped(
        'name = "zero_shot"\n[[methods]]\nname = "random_init"\nweights = "/nowhere/weights.safetensors"'
    )
    assert not cells and [skip.row for skip in skips] == ["handcrafted", "random_init"]
