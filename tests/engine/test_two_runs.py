"""Simultaneous runs of one suite share the work: each cell is run once, and each run ends with all of them."""

import multiprocessing
import time
from pathlib import Path

import pytest

from benchmark.engine.events import discard_event
from benchmark.engine.executors import InlineExecutor
from benchmark.locks import locked
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.standing import standings_at
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store


def run_and_log(suite, home, log, start):
    """Run a suite in a process of its own; each cell that it computes is a line of the log."""
    from benchmark.engine.run import _GroupRun

    original = _GroupRun._run_cell

    def logged(self, cell):
        with Path(log).open("a") as file:
            file.write(cell.spec.key + "\n")
        return original(self, cell)

    _GroupRun._run_cell = logged
    plan = make_plan(load_suite(suite), methods=["handcrafted", "random_init"])
    groups = group_cells(standings_at(plan, home).to_run)
    start.wait()
    InlineExecutor().run(groups, home, "cpu", discard_event)
    assert len(standings_at(plan, home).finished_cells) == len(plan.cells)


@pytest.mark.parametrize("runs", [3])
def test_every_cell_is_run_once(runs, tiny_suite, prepared_home, tmp_path):
    context = multiprocessing.get_context("spawn")
    start, log = context.Event(), tmp_path / "log"
    arguments = (str(tiny_suite), prepared_home, str(log), start)
    workers = [context.Process(target=run_and_log, args=arguments) for _ in range(runs)]
    for worker in workers:
        worker.start()
    time.sleep(1.0)
    start.set()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    keys = log.read_text().split()
    assert len(keys) == len(set(keys)) == 6


def test_a_cell_that_another_run_is_at_is_waited_for_and_not_run_again(plan, prepared_home, fill):
    (group,) = group_cells([cell for cell in plan.cells if cell.row == "handcrafted"][:1])
    cell, store = group.cells[0], Store(prepared_home.records)
    messages = []
    context = multiprocessing.get_context("fork")
    ready = context.Event()

    def other_run():
        with locked(prepared_home.locks, cell.spec.key):
            ready.set()
            time.sleep(0.6)
            from benchmark.data.store.preparation import open_dataset
            from benchmark.records.record import RunRecord

            data = open_dataset("synthetic", {"patients": 120}, prepared_home).digest
            fields = {"metrics": {"auroc_macro": 0.123}, "primary": "auroc_macro", "data_digest": data}
            store.write(cell.spec, RunRecord(cell.spec.key, cell.spec.to_json(), cell.question, "done", **fields))

    worker = context.Process(target=other_run)
    worker.start()
    assert ready.wait(10)
    assert InlineExecutor().run([group], prepared_home, "cpu", messages.append) == {"done": 1}
    worker.join()
    assert store.get(cell.spec).metrics["auroc_macro"] == 0.123
    assert any("(by another run)" in event.text for event in messages)
