"""The grid of all metrics of a task: every metric, baselines last, in Markdown and CSV; or no grid."""

import pytest

from benchmark.leaderboard import markdown
from benchmark.leaderboard import metric_grid as beside
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store

TASK = '[[tasks]]\nname = "report_generation"\n'
METRICS = {"rouge_l": 0.25, "bleu_4": 0.125, "exact": 0.5}


@pytest.fixture
def board(tiny_suite, store: Store, fill):
    text = tiny_suite.read_text().replace('label_sets = ["groups"]', 'label_sets = ["groups", "reports"]')
    tiny_suite.write_text(text.replace('[[tasks]]\nname = "zero_shot"', f'{TASK}label_sets = ["reports"]'))
    plan = make_plan(load_suite(str(tiny_suite)))
    fill(plan, store, metrics=METRICS, primary="rouge_l", intervals={})
    return Leaderboard(plan, store)


def test_every_metric_of_every_row_is_there(board):
    (grid,) = beside.grids(board)
    assert grid.metrics == ("bleu_4", "rouge_l", "exact"), "in the task's order, without those that nobody has"
    assert list(grid.rows) == ["handcrafted", "merl", "random_init", "frequent_report", "random_report"]
    text = markdown.markdown(board, [])
    assert "| merl | 0.125 | 0.250 | 0.500 |" in text and "| frequent_report *(baseline)* | 0.125" in text


def test_label_sets_and_reports_go_to_the_tasks_that_can_use_them(board):
    tables = {(table.task, table.label_set) for table in board.tables}
    assert tables == {("linear_probe", "groups"), ("report_generation", "reports")}
    assert any("all recordings with a report" in skip.reason for skip in board.plan.skips)
