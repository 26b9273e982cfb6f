"""`--strict` refuses what a paper's table must not have, and names all of it at once."""

import json
import shutil

from benchmark.cli import main
from benchmark.leaderboard.audit import audit


def by_hand(store, cell, **changes):
    path = store.folder(cell.spec) / "record.json"
    record = json.loads(path.read_text())
    for name, value in changes.items():
        record[name] = value
    path.write_text(json.dumps(record))


def test_a_complete_store_of_one_preparation_passes(plan, store, fill, tiny_suite, tmp_path, capsys):
    fill(plan, store)
    assert audit(plan, store) == []
    arguments = ["leaderboard", str(tiny_suite), "--records", str(store.root), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--strict"]) == 0


def test_missing_mixed_and_double_are_refused_together(plan, store, fill, tiny_suite, tmp_path, capsys):
    fill(plan, store)
    gone, other, twice, changed = plan.cells[0], plan.cells[1], plan.cells[2], plan.cells[3]
    store.set_aside(gone.spec)
    by_hand(store, other, data_digest="d2")
    shutil.copytree(store.folder(twice.spec), store.folder(twice.spec).with_name("0123456789abcdef"))
    by_hand(store, changed, spec={**changed.spec.to_json(), "protocol": "frozen-eval-0"})
    out = tmp_path / "out"
    arguments = ["leaderboard", str(tiny_suite), "--records", str(store.root), "--out", str(out), "--strict"]
    assert main(arguments) == 4
    said = capsys.readouterr().err
    assert "1 cells have no finished record" in said and gone.title in said
    assert "records from 2 preparations (d1, d2)" in said
    assert "protocols are mixed: frozen-eval-0 and frozen-eval-1" in said
    assert "claim one cell" in said and "changed by hand" in said
    assert not out.exists()


def test_two_versions_of_a_method_claim_one_cell(plan, store, fill):
    fill(plan, store)
    cell = plan.cells[0]
    older = type(cell.spec)(**{**cell.spec.to_json(), "method_version": 0})
    record = store.get(cell.spec)
    record.key, record.spec = older.key, older.to_json()
    store.put(older, record)
    assert any("claim one cell" in problem for problem in audit(plan, store))
