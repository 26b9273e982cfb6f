"""`--strict` refuses what a paper's table must not have, and names all of it at once."""

import json
import shutil

import numpy as np

from benchmark.cli import main
from benchmark.leaderboard.audit import audit
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import make_plan
from benchmark.planning.standing import AtHand
from benchmark.planning.suites import load_suite
from benchmark.records.paths import PREDICTIONS


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
    absent, other, twice, variant = plan.cells[0], plan.cells[1], plan.cells[2], plan.cells[3]
    store.set_aside(absent.spec)
    record = store.get(other.spec)
    record.data_digest = "d2"
    store.write(other.spec, record)
    shutil.copytree(store.folder(twice.spec), store.folder(twice.spec).with_name("0123456789abcdef"))
    by_hand(store, variant, metrics={"auroc_macro": 0.9})
    out = tmp_path / "out"
    arguments = ["leaderboard", str(tiny_suite), "--records", str(store.root), "--out", str(out), "--strict"]
    assert main(arguments) == 4
    error_text = capsys.readouterr().err
    assert "1 cells have no finished record" in error_text and absent.title in error_text
    assert "records from 2 preparations (d1, d2)" in error_text
    assert "claim one cell" in error_text and "it was changed after it was written, or is damaged" in error_text
    assert variant.title in error_text
    assert not out.exists()


def test_two_versions_of_a_method_claim_one_cell(plan, store, fill):
    fill(plan, store)
    cell = plan.cells[0]
    older = type(cell.spec)(**{**cell.spec.to_json(), "method_version": 0})
    record = store.get(cell.spec)
    record.key, record.spec = older.key, older.to_json()
    store.write(older, record)
    assert any("claim one cell" in problem for problem in audit(plan, store))


def test_files_beside_a_record_are_those_that_were_written_with_it(plan, store, fill):
    fill(plan, store, noise=lambda cell: np.zeros(200, np.float32))
    cell = plan.cells[0]
    record = store.get(cell.spec)
    store.set_aside(cell.spec)
    store.write(cell.spec, record, {"logits": np.zeros((3, 2))}, np.full(200, 0.8, np.float32))
    assert audit(plan, store) == []
    path = store.folder(cell.spec) / PREDICTIONS
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    (problem,) = audit(plan, store)
    assert f"{PREDICTIONS} in {path.parent} is not the one" in problem
    path.unlink()
    assert audit(plan, store) == [], "collected records come without predictions"


def test_the_copy_of_another_cells_record_is_refused(plan, store, fill):
    fill(plan, store)
    first, second = (store.folder(cell.spec) / "record.json" for cell in plan.cells[:2])
    second.write_bytes(first.read_bytes())
    assert any("it is the record of another cell" in problem for problem in audit(plan, store))


def test_outdated_and_mixed_code_is_refused(plan, store, fill):
    fill(plan, store, code={"method": "m1", "task": "t1"})
    assert audit(plan, store) == []
    cell = plan.cells[0]
    record = store.get(cell.spec)
    record.code = {"method": "m2", "task": "t1"}
    store.write(cell.spec, record)
    assert any("different code made" in problem for problem in audit(plan, store))
    now = AtHand(code=lambda method, task: {"method": "m1", "task": "t1"})
    assert any(
        "are outdated (the code of its method has changed since)" in problem for problem in audit(plan, store, now)
    )


def test_a_member_whose_weights_other_code_trained_is_found(tiny_suite, store, fill):
    """Its cells may all be by one version of the code, so that only the code of its training tells."""
    tiny_suite.write_text(tiny_suite.read_text().replace("epochs = 2", "epochs = 2\nseed = [0, 1]"))
    plan = make_plan(load_suite(str(tiny_suite)))
    for member, weights in ((0, "w0"), (1, "w1")):
        code = {"method": "m", "task": "t", "weights": weights}
        fill(plan, store, lambda cell, m=member: 0.8 if cell.member == m else None, code=code)
    fill(plan, store, lambda cell: 0.8 if cell.member is None else None, code={"method": "m", "task": "t"})
    assert audit(plan, store) == [
        f"merl × {task}: numbers in one row with weights that different code trained; run it --again"
        for task in ("linear_probe", "zero_shot")
    ]
    warning = "MIXED CODE: numbers in one row that different code made: merl × linear_probe, merl × zero_shot."
    assert warning in Leaderboard(plan, store).warnings()
