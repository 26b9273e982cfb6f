"""Warnings of a dataset (another's split, faulty labels) are in every record and under every table."""

from benchmark.data.store.preparation import open_dataset
from benchmark.engine.events import discard_event
from benchmark.engine.run import run_group
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.standing import standings_at
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store


def test_marks_go_from_the_store_into_records_and_tables(tiny_suite, prepared_home, reseal):
    mark = "labels of somebody's files, which are wrong"
    reseal(open_dataset("synthetic", {"patients": 120}, prepared_home).path, marks=[mark])
    plan = make_plan(load_suite(str(tiny_suite), {"tasks.linear_probe.config.fraction": 1.0}), ["random_init"])
    run_group(group_cells(plan.cells)[0], prepared_home, "cpu", discard_event)
    store = Store(prepared_home.records)
    finished_cells = standings_at(plan, prepared_home).finished_cells
    assert finished_cells and store.get(finished_cells[0].spec).notes[0] == mark
    assert f"synthetic/groups: {mark}." in markdown(Leaderboard(plan, store), [])
