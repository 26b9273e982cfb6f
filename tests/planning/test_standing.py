"""The standing of a cell follows from its record, the data and the code, and every command says the same."""

import json
from pathlib import Path

import pytest

from benchmark.canonical import digest
from benchmark.cli import main
from benchmark.locks import locked
from benchmark.planning.anew import set_aside_rows
from benchmark.planning.pretrained import CARD, WEIGHTS
from benchmark.planning.standing import AtHand, at_hand, data_digests, stand, standings, standings_at
from benchmark.records.index import Entry
from benchmark.records.paths import RECORD


def entry(cell, status="done", **more):
    return Entry(
        cell.spec.key, cell.spec.task, cell.spec.method, status, **{"data": "d1", "code": {"method": "m1"}, **more}
    )


@pytest.fixture
def cell(plan):
    return plan.cells[0]


def now(cell, data="d1", method="m1", **more):
    key = digest([cell.spec.dataset, cell.spec.dataset_config])
    return AtHand({key: data}, lambda *_: {"method": method, "task": "t1", "weights": method}, **more)


@pytest.mark.parametrize(
    "status, more, digests_at_hand, state, why",
    [
        ("done", {}, {}, "done", ""),
        ("failed", {"message": "no memory"}, {}, "failed", "no memory"),
        ("unusable", {"message": "it is no record"}, {}, "incomplete", "it is no record"),
        ("done", {}, {"data": "d2"}, "stale", "other data of synthetic (d1) than is prepared now (d2)"),
        ("done", {}, {"method": "m2"}, "outdated", "the code of its method has changed since"),
        ("done", {"code": {}}, {"method": "m2"}, "done", ""),
        ("done", {"code": {"weights": "m0"}}, {}, "outdated", "the code of the training of its weights"),
        ("done", {"protocol": "frozen-eval-0"}, {}, "incomplete", "it follows frozen-eval-0"),
    ],
)
def test_states_and_reasons(cell, status, more, digests_at_hand, state, why):
    standing = stand(cell, entry(cell, status, **more), now(cell, **digests_at_hand))
    assert standing.state == state and why in standing.why


def test_a_missing_cell_is_under_way_where_a_cluster_says_so(cell):
    assert stand(cell, None, now(cell)).state == "missing"
    assert stand(cell, None, now(cell, under_way={cell.spec.key: "queued"})).state == "queued"


def test_a_cell_that_a_run_is_at_counts_as_running(plan, home):
    with locked(home.locks, plan.cells[0].spec.key):
        assert standings_at(plan, home).all[0].state == "running"
    assert standings_at(plan, home).all[0].state == "missing"


def test_every_command_says_the_same_of_changed_data(plan, prepared_home, fill, tiny_suite, capsys):
    """Prepared data that changed: `status` and `leaderboard --strict` agree that the old numbers do not count."""
    from benchmark.records.store import Store

    store = Store(prepared_home.records)
    fill(plan, store)  # records of the data "d1", which is not what is prepared
    assert main(["status", str(tiny_suite), "--json"]) == 4
    assert all("stale" in row for row in json.loads(capsys.readouterr().out))
    assert main(["leaderboard", str(tiny_suite), "--strict"]) == 4
    assert "are stale (it was made from other data of synthetic (d1)" in capsys.readouterr().err
    assert main(["leaderboard", str(tiny_suite)]) == 4
    assert "0.800" not in (prepared_home.leaderboards / "tiny.md").read_text()
    assert not standings(plan, store, at_hand(plan, prepared_home)).finished_cells


def test_a_damaged_record_is_told_and_made_room_for(plan, home, fill, tiny_suite, capsys):
    from benchmark.records.store import Store

    store = Store(home.records)
    fill(plan, store)
    path = Path(store.folder(plan.cells[0].spec)) / RECORD
    path.write_bytes(path.read_bytes().replace(b"0.8", b"0.9"))
    main(["status", str(tiny_suite)])
    assert "incomplete: 1 cells, of random_init: it was changed after it was written" in capsys.readouterr().out
    main(["leaderboard", str(tiny_suite)])
    assert "UNUSABLE: 1 records count as missing" in (home.leaderboards / "tiny.md").read_text()


def test_weights_of_data_that_was_prepared_anew_are_told(plan, prepared_home, fill, tiny_suite, capsys):
    """The corpus of a pre-training may be another dataset than the cell's; its change went unnoticed in its numbers."""
    from benchmark.records.store import Store

    data = next(iter(data_digests(plan, prepared_home).values()))
    fill(plan, Store(prepared_home.records), data_digest=data)
    folder = next(prepared_home.pretrained / cell.weights_folder for cell in plan.cells if cell.weights_folder)
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(b"")
    (folder / CARD).write_text(json.dumps({"method": "merl", "data_digest": data}))
    assert not standings_at(plan, prepared_home).cells("outdated")
    (folder / CARD).write_text(json.dumps({"method": "merl", "data_digest": "d1"}))
    cells = standings_at(plan, prepared_home).cells("outdated")
    assert {cell.row for cell in cells} == {"merl"} and len(cells) == sum(cell.row == "merl" for cell in plan.cells)
    main(["leaderboard", str(tiny_suite)])
    why = f"OUTDATED: its weights were made from other data of synthetic (d1) than is prepared now ({data})"
    assert f"{why}: merl ({len(cells)}); `ecgarena run" in (prepared_home.leaderboards / "tiny.md").read_text()
    lines = set_aside_rows(plan, prepared_home, ["merl"])
    assert not folder.exists() and "were set aside" in lines[-1]
